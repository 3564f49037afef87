//go:build linux

package coach_test

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// makes returns a clone with a Makefile, and what runs make there.
func makes(t *testing.T) (*clone, func(args ...string) *exec.Cmd) {
	t.Helper()
	c := cloned(t)
	c.shell(`cp "$TOP"/Makefile . && mkdir -p internal && cp -r "$TOP"/internal/check "$TOP"/internal/coach "$TOP"/internal/lesson "$TOP"/internal/live "$TOP"/internal/trace internal/`)
	return c, func(args ...string) *exec.Cmd {
		cmd := exec.Command("make", append([]string{"--no-print-directory"}, args...)...)
		cmd.Dir = c.dir
		return cmd
	}
}

func TestMakePassesOnWhatTheLearnerTypes(t *testing.T) {
	_, command := makes(t)
	run := func(args ...string) said {
		cmd := command(args...)
		output, _ := cmd.CombinedOutput()
		require.NotNil(t, cmd.ProcessState, string(output))
		return said{string(output), cmd.ProcessState.ExitCode()}
	}
	assert.Contains(t, run("start", "STEP=3", "DIR=work/a", "FROM=step01-exec").output, "work/a is a copy of step01-exec")
	assert.Contains(t, run("hint", "LEVEL=2").output, "Hint 2 of 3 for step 3")
	assert.Contains(t, run("diff", "STEP=3").output, "\n+++ step03-pid/main.go\n")
	refused := run("check", "STEP=9")
	assert.NotZero(t, refused.status)
	assert.Contains(t, refused.output, "STEP=9: there is no such step")
	assert.Contains(t, run("progress", "RESET=1").output, "Your programs are untouched")
}

func TestMakeAddsNothingOnATerminal(t *testing.T) {
	c, command := makes(t)
	for words, args := range map[string][]string{
		"STEP=9: there is no such step": {"check", "STEP=9"},
		"FIX":                           {"doctor", "ROOTFS=/nowhere"},
	} {
		s := c.terminal(command(args...))
		s.shows(words)
		s.ends(0)
		assert.NotContains(t, s.all(), "make:")
	}
}
