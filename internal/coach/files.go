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

// files is a snapshot of the Go files of a program.
type files map[string]fingerprint

// A fingerprint tells two saves of a file apart. The time alone does not: some file systems count in whole seconds.
type fingerprint struct {
	modified time.Time
	content  [sha256.Size]byte
}

// look reads the files of a program. It returns nil while main.go is missing: some editors move it away for a moment.
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
		seen[filepath.Base(path)] = fingerprint{info.ModTime(), sha256.Sum256(text)}
	}
	if _, ok := seen["main.go"]; !ok {
		return nil
	}
	return seen
}

// changed names the files that differ.
func (f files) changed(before files) string {
	var names []string
	for name, fingerprint := range f {
		if old, ok := before[name]; !ok || old != fingerprint {
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
