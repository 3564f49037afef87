//go:build linux && engines

package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// caller is a program that writes down its arguments and becomes the runtime.
const caller = `#!/bin/sh
{ printf '%%s' %[2]s; for a; do printf ' %%s' "$a"; done; echo; } >>%[3]s
exec %[1]s "$@"
`

// engineRuntime returns the runtime for an engine. With ENGINE_CALLS=1 it is a program of the same name that writes down how
// the engine calls it. A test that fails prints these calls.
func engineRuntime(t testing.TB) string {
	t.Helper()
	if os.Getenv("ENGINE_CALLS") == "" {
		return runtimePath()
	}
	path := filepath.Join(state, "calls", runtimeName())
	if _, err := os.Stat(path); err != nil {
		file(t, path, fmt.Sprintf(caller, runtimePath(), runtimeName(), callsFile()))
		require.NoError(t, os.Chmod(file(t, callsFile(), ""), 0o666))
	}
	return path
}

func callsFile() string { return filepath.Join(state, "calls.log") }

// showCalls prints the calls of the runtime from now on, if the test fails and ENGINE_CALLS is set.
func showCalls(t testing.TB) {
	t.Helper()
	if os.Getenv("ENGINE_CALLS") == "" {
		return
	}
	before, _ := os.ReadFile(callsFile())
	t.Cleanup(func() {
		if t.Failed() {
			after, err := os.ReadFile(callsFile())
			require.NoError(t, err)
			t.Logf("the runtime was called by\n%s", strings.TrimPrefix(string(after), string(before)))
		}
	})
}
