//go:build linux

package scripts_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSkipsFailWhereTheyAreNotKnown replaces go with a script that prints results of tests.
func TestSkipsFailWhereTheyAreNotKnown(t *testing.T) {
	for name, c := range map[string]struct {
		prints string
		ci     string
		status int
	}{
		"pass":               {"echo '--- PASS: TestA (0.00s)'", "true", 0},
		"fail":               {"echo '--- FAIL: TestA (0.00s)'; exit 1", "", 1},
		"known skip":         {"echo '    --- SKIP: TestA/known (0.00s)'", "true", 0},
		"unknown skip":       {"echo '    --- SKIP: TestA/unknown (0.00s)'", "true", 1},
		"known elsewhere":    {"echo '--- SKIP: TestB (0.00s)'", "true", 1},
		"unknown, not in CI": {"echo '    --- SKIP: TestA/unknown (0.00s)'", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			shell(t, ".", "mkdir "+dir+"/scripts "+dir+"/.ci && cp test.sh report.sh "+dir+"/scripts && echo 'host TestA/known\nvm TestB' > "+dir+"/.ci/known-skips")
			require.NoError(t, os.WriteFile(filepath.Join(dir, "go"), []byte("#!/bin/sh\n"+c.prints+"\n"), 0o755))
			cmd := exec.Command("scripts/test.sh")
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "CI="+c.ci)
			output, _ := cmd.CombinedOutput()
			require.NotNil(t, cmd.ProcessState)
			assert.Equal(t, c.status, cmd.ProcessState.ExitCode(), string(output))
		})
	}
}
