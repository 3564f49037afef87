//go:build linux

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/require"
)

// hostile does something to a terminal that it is printed at: it names the window, moves the cursor, and writes over what is there.
const hostile = "\x1b]0;owned\a\x1b[2J\rowned \x7f \u009b31m"

// harmless requires that text can be shown at a terminal.
func harmless(t *testing.T, text string) {
	t.Helper()
	for _, r := range text {
		require.True(t, unicode.IsPrint(r) || r == '\n', "%U is in %q", r, text)
	}
}

func TestWhatAHookHasPrintedDoesNothingToATerminal(t *testing.T) {
	hook := func(status string) []specs.Hook {
		// Without the limit it would be some 100 kB.
		return []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "echo first; yes more | head -n 20000; printf '%s' \"$1\"; exit " + status, "sh", hostile},
			Env: []string{"PATH=/bin:/usr/bin"}}}
	}
	for name, hooks := range map[string]*specs.Hooks{
		"createRuntime":   {CreateRuntime: hook("3")},
		"createContainer": {CreateContainer: []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", `printf '%s' "$1"; exit 3`, "sh", hostile}}}},
		"startContainer":  {StartContainer: []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", `printf '%s' "$1"; exit 3`, "sh", hostile}}}},
		"poststart":       {Poststart: hook("3")},
		"poststop":        {Poststop: hook("3")},
	} {
		t.Run(name, func(t *testing.T) {
			c := newBundle(t, "true")
			c.spec.Hooks = hooks
			c.write()
			r := c.run()
			require.Contains(t, r.stderr, name)
			require.Contains(t, r.stderr, "owned")
			require.Equal(t, 1, strings.Count(r.stderr, "\n"), r.stderr)
			require.Less(t, len(r.stderr), 8192)
			harmless(t, r.stderr)
			c.nothingLeft()
		})
	}
}

func TestNamesInAConfigurationDoNothingToATerminal(t *testing.T) {
	c := newBundle(t, "/bin/"+hostile)
	refusal := c.run()
	require.Equal(t, 127, refusal.status, refusal.stderr)
	harmless(t, refusal.stderr)
	c.nothingLeft()
	c.spec.Process.Args = []string{"sleep", "1000", hostile}
	c.spec.Annotations = map[string]string{"title": hostile}
	dir := filepath.Join(t.TempDir(), "bundle "+hostile)
	require.NoError(t, os.Mkdir(dir, 0o700))
	c.dir = dir
	c.write()
	require.NoError(t, c.call("create", "--bundle", dir, c.id).Run())
	for _, args := range [][]string{{"list"}, {"list", "--format", "json"}, {"state", c.id}, {"ps", c.id}} {
		r := c.final(args...)
		require.Equal(t, 0, r.status, r.stderr)
		harmless(t, r.stdout)
		harmless(t, r.stderr)
	}
	// It is still what it was to who reads it.
	var state specs.State
	require.NoError(t, json.Unmarshal([]byte(c.final("state", c.id).stdout), &state))
	require.Equal(t, hostile, state.Annotations["title"])
}
