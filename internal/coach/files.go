//go:build linux

package coach

import (
	"crypto/sha256"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// files are the Go files of a program, as they were at a moment.
type files map[string]print

// A print tells one save of a file from another. The time alone does not: on some file systems it has whole seconds.
type print struct {
	modified time.Time
	content  [sha256.Size]byte
}

// look returns the files of a program. There are none while main.go is missing, because some editors move it away for a moment.
func look(dir string) files {
	seen := files{}
	paths, _ := filepath.Glob(filepath.Join(dir, "*.go"))
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		seen[filepath.Base(path)] = print{info.ModTime(), sha256.Sum256(text)}
	}
	if _, ok := seen["main.go"]; !ok {
		return nil
	}
	return seen
}

// changed names the files that are not as they were.
func (f files) changed(before files) string {
	var names []string
	for name, print := range f {
		if old, ok := before[name]; !ok || old != print {
			names = append(names, name)
		}
	}
	for name := range before {
		if _, ok := f[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// same reports whether nothing has changed.
func (f files) same(before files) bool { return maps.Equal(f, before) }
