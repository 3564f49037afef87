//go:build linux

package main

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// READING.md promises an evening: 25 files of at most 3,500 lines together, in order, each with a question. What it names is in the file,
// or in step 7, which the reader knows.
func TestReadingIsAnEvening(t *testing.T) {
	text, err := os.ReadFile("READING.md")
	require.NoError(t, err)
	list, _, _ := strings.Cut(string(text), "\n## And then\n")
	item := regexp.MustCompile("(?m)^([0-9]+)\\. \\[`(.+?)`\\]\\((.+?)\\)")
	identifier := regexp.MustCompile("`([A-Za-z]+)`")
	step, err := os.ReadFile("../step07-tmpfs/main.go")
	require.NoError(t, err)
	common, err := os.ReadFile("../step07-tmpfs/process.go")
	require.NoError(t, err)
	question := regexp.MustCompile(`(?s)\n +\*[^*]+\?\*\n`)
	lines, seen := 0, map[string]bool{}
	for i, at := range item.FindAllStringSubmatchIndex(list, -1) {
		number, name, target := list[at[2]:at[3]], list[at[4]:at[5]], list[at[6]:at[7]]
		assert.Equal(t, strconv.Itoa(i+1), number, name)
		assert.Equal(t, name, target)
		assert.False(t, seen[name], "%s is in the list twice", name)
		seen[name] = true
		words := list[at[1]:]
		if next := item.FindStringIndex(words); next != nil {
			words = words[:next[0]]
		}
		assert.Len(t, question.FindAllString(words, -1), 1, "%s needs one question", name)
		content, err := os.ReadFile(target)
		require.NoError(t, err, "put another file into READING.md")
		for _, found := range identifier.FindAllStringSubmatch(words, -1) {
			assert.True(t, bytes.Contains(slices.Concat(content, step, common), []byte(found[1])), "%s has no %s any more", name, found[1])
		}
		lines += bytes.Count(content, []byte("\n"))
	}
	assert.Len(t, seen, 25)
	assert.LessOrEqual(t, lines, 3500, "too long for an evening: put a shorter file into READING.md in place of one that has grown")
	t.Logf("%d lines", lines)
}
