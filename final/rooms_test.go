//go:build linux

package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The table in CONTRIBUTING.md says who may import whom, and each room may only import rooms below it.
func TestRoomsImportRoomsBelowThem(t *testing.T) {
	text, err := os.ReadFile("../CONTRIBUTING.md")
	require.NoError(t, err)
	var rooms []string
	allowed := map[string][]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `final/(\\S+)` \\|.*\\| (.*) \\|$").FindAllStringSubmatch(string(text), -1) {
		rooms = append(rooms, row[1])
		allowed[row[1]] = strings.Fields(strings.NewReplacer("`", "", "–", "").Replace(row[2]))
	}
	require.NoError(t, filepath.WalkDir(".", func(name string, _ os.DirEntry, err error) error {
		room := filepath.Dir(name)
		if err != nil || room == "." || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		assert.Contains(t, rooms, room, "%s is in a room without a row in the table", name)
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, i := range file.Imports {
			if other, ours := strings.CutPrefix(strings.Trim(i.Path.Value, `"`), "container-workshop/final/"); ours {
				assert.Contains(t, allowed[room], other, name)
				assert.Greater(t, slices.Index(rooms, other), slices.Index(rooms, room), "%s imports %s, which stands above it", name, other)
			}
		}
		return nil
	}))
}
