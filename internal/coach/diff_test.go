//go:build linux

package coach_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestDiffShowsWhatAStepAdds(t *testing.T) {
	c := cloned(t)
	text := c.does("diff", "--step", "3")
	assert.Contains(t, text, "--- step02-uts/main.go\n+++ step03-pid/main.go\n")
	assert.Contains(t, text, "\n+\tcmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWPID\n")
	assert.Contains(t, c.does("diff", "--step", "1"), "\n+func main() { dispatch(run, child) }\n")
	c.refuses("STEP=0: there is no such step", "diff", "--step", "0")
	c.refuses("work/nowhere/main.go: no such file", "diff", "--step", "3", "--dir", "work/nowhere")
	c.refuses("you have no program yet", "diff")
}

func TestDiffComparesCalls(t *testing.T) {
	c := cloned(t)
	c.does("start", "--step", "2")
	missing := c.does("diff")
	assert.Contains(t, missing, "  - sethostname(\"container\"")
	assert.Contains(t, missing, "Yours does not.")
	assert.Contains(t, missing, "make diff STEP=2")
	// Names, comments and the source as such play no part.
	c.shell(`sed 's/setHostname/nameIt/; s,//.*,,' step02-uts/main.go > work/mine/main.go`)
	assert.Contains(t, c.does("diff", "--dir", "work/mine", "--step", "2"), "  ✓ The same calls in the same order.\n")
	c.shell(`sed 's/CLONE_NEWUTS/CLONE_NEWIPC/' step02-uts/main.go > work/mine/main.go`)
	wrong := c.does("diff")
	assert.Contains(t, wrong, "CLONE_NEWUTS")
	assert.NotContains(t, wrong, "✓")
	c.shell(`echo broken >> work/mine/main.go`)
	c.refuses("your program does not compile", "diff")
}
