//go:build linux

package check

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"container-workshop/internal/needs"
)

// A variant is a step with edits.
type variant struct {
	// name is the name of the executable.
	name string
	// step is the folder of the step.
	step string
	// edits are pairs: a text to find, and its replacement.
	edits []string
}

// program returns the variant's executable. If WORKSHOP_PROGRAMS is set, the executable is compiled already and lies there.
func (v variant) program(t *testing.T) string {
	t.Helper()
	if compiled := os.Getenv("WORKSHOP_PROGRAMS"); compiled != "" {
		return filepath.Join(compiled, v.name)
	}
	needs.Compiler(t)
	dir, err := publicDir()
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	program := filepath.Join(dir, v.name)
	v.build(t, program)
	return program
}

// sources returns the texts of the step's main.go and process.go by their paths. An edit changes the first of the two that contains the
// text.
func (v variant) sources(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	var paths []string
	for _, name := range []string{"main.go", "process.go"} {
		path, err := filepath.Abs(filepath.Join("../..", v.step, name))
		require.NoError(t, err)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		texts[path], paths = string(text), append(paths, path)
	}
	for i := 0; i < len(v.edits); i += 2 {
		place := slices.IndexFunc(paths, func(path string) bool { return strings.Contains(texts[path], v.edits[i]) })
		require.GreaterOrEqual(t, place, 0, "no place for an edit: %s", v.edits[i])
		texts[paths[place]] = strings.ReplaceAll(texts[paths[place]], v.edits[i], v.edits[i+1])
	}
	return texts
}

// build compiles the variant.
func (v variant) build(t *testing.T, program string) {
	t.Helper()
	dir, err := publicDir()
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	replace := map[string]string{}
	for source, text := range v.sources(t) {
		replace[source] = filepath.Join(dir, filepath.Base(source))
		require.NoError(t, os.WriteFile(replace[source], []byte(text), 0o644))
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	overlay := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(overlay, list, 0o644))

	needs.Build(t, program, []string{"GOARCH=" + *compileFor}, "-overlay", overlay, filepath.Join("../..", v.step))
}
