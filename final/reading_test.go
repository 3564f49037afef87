//go:build linux

package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// READING.md promises an evening.
func TestReadingIsAnEvening(t *testing.T) {
	page, err := os.ReadFile("READING.md")
	require.NoError(t, err)
	lines, seen := 0, map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| \d+ \| \[(\S+)\]\((\S+)\) \| .+\? \|$`).FindAllStringSubmatch(string(page), -1) {
		assert.Equal(t, row[1], row[2])
		file, err := os.ReadFile(row[2])
		require.NoError(t, err)
		lines, seen[row[2]] = lines+strings.Count(string(file), "\n"), true
	}
	assert.Len(t, seen, 25)
	assert.LessOrEqual(t, lines, 3500)
	t.Log(lines, "lines")
}
