//go:build linux

package coach_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// built is the folder with the executables of coach and check.
var built string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	if built, err = os.MkdirTemp("", "container-workshop-coach-"); err != nil {
		panic(err)
	}
	defer os.RemoveAll(built)
	os.Setenv("CGO_ENABLED", "0")
	if os.Getenv("SUDO_UID") != "" {
		// What root builds would get into the way of the caller.
		os.Setenv("GOCACHE", filepath.Join(built, "cache"))
	}
	for _, name := range []string{"coach", "check"} {
		output, err := exec.Command("go", "build", "-buildvcs=false", "-o", filepath.Join(built, name), "container-workshop/internal/"+name+"/cmd").CombinedOutput()
		if err != nil {
			panic(string(output))
		}
	}
	return m.Run()
}

// A clone is a copy of the workshop, with a learner who has not done anything yet.
type clone struct {
	*testing.T
	dir string
	// env is added to the environment of the coach.
	env []string
}

// cloned makes a clone. The coach asks for a password where it does not run as root.
func cloned(t *testing.T) *clone {
	t.Helper()
	needRoot(t)
	c := &clone{T: t, dir: t.TempDir()}
	c.shell(`mkdir build work && cp -r "$TOP"/go.mod "$TOP"/go.sum "$TOP"/scripts "$TOP"/step0* . && cp "$BUILT"/coach "$BUILT"/check build/`)
	return c
}

// shell runs a line of shell at the top of the clone.
func (c *clone) shell(line string) {
	c.Helper()
	top, err := filepath.Abs("../..")
	require.NoError(c, err)
	cmd := exec.Command("sh", "-ec", line)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "TOP="+top, "BUILT="+built)
	output, err := cmd.CombinedOutput()
	require.NoError(c, err, "%s: %s", line, output)
}

// said is what the coach has said.
type said struct {
	output string
	status int
}

// command is a call of the coach, at the top of the clone. The coach would make a root file system that is not there.
func (c *clone) command(args ...string) *exec.Cmd {
	cmd := exec.Command("build/coach", append([]string{"--rootfs=/"}, args...)...)
	cmd.Dir = c.dir
	cmd.Env = append(append(os.Environ(), "TERM=xterm", "NO_COLOR=", "LC_ALL=C.UTF-8"), c.env...)
	return cmd
}

// coach runs the coach to its end.
func (c *clone) coach(args ...string) said {
	c.Helper()
	cmd := c.command(args...)
	output, _ := cmd.CombinedOutput()
	require.NotNil(c, cmd.ProcessState, string(output))
	return said{string(output), cmd.ProcessState.ExitCode()}
}

// does runs the coach, which has to do what it is told.
func (c *clone) does(args ...string) string {
	c.Helper()
	done := c.coach(args...)
	require.Zero(c, done.status, "%q: %s", args, done.output)
	return done.output
}

// refuses runs the coach, which has to refuse with these words.
func (c *clone) refuses(words string, args ...string) {
	c.Helper()
	refused := c.coach(args...)
	assert.Equal(c, 1, refused.status, "%q: %s", args, refused.output)
	assert.Contains(c, refused.output, words, "%q", args)
}

// examiner puts a script in the place of build/check, which does not run the program.
func (c *clone) examiner(script string) {
	c.Helper()
	require.NoError(c, os.WriteFile(filepath.Join(c.dir, "build/check"), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
}

// finds makes the examiner print findings.
func (c *clone) finds(findings ...map[string]any) {
	c.Helper()
	script := ""
	for _, f := range append(findings, map[string]any{"Leftovers": []string{}}) {
		text, err := json.Marshal(f)
		require.NoError(c, err)
		script += "cat <<'END'\n" + string(text) + "\nEND\n"
	}
	c.examiner(script)
}

// passing is a finding of a program that has what a step wants.
func passing(step int) map[string]any {
	return map[string]any{"Property": fmt.Sprint("something of step ", step), "Step": step, "State": "has"}
}

// read returns a file of the clone.
func (c *clone) read(name string) string {
	c.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, name))
	require.NoError(c, err)
	return string(text)
}

// needRoot skips a test of what only root can do.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: make test")
	}
}
