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

// workshop runs make as a learner does.
func workshop(t *testing.T, args ...string) script {
	t.Helper()
	cmd := exec.Command("make", append([]string{"-C", "..", "--no-print-directory"}, args...)...)
	cmd.Env = os.Environ()
	if os.Getenv("SUDO_UID") != "" {
		// What root builds would get into the way of the caller.
		cmd.Env = append(cmd.Env, "GOCACHE="+t.TempDir())
	}
	output, _ := cmd.CombinedOutput()
	require.NotNil(t, cmd.ProcessState, string(output))
	return script{string(output), cmd.ProcessState.ExitCode()}
}

// own makes the folder of a learner's own program, and returns its name from the top. What a start does to the hints is not done
// to the learner's.
func own(t *testing.T) string {
	t.Helper()
	remembering(t)
	require.NoError(t, os.MkdirAll("../work", 0o755))
	dir, err := os.MkdirTemp("../work", "test-")
	require.NoError(t, err)
	t.Cleanup(func() {
		os.RemoveAll(dir)
		os.Remove("../work")
	})
	return filepath.Join("work", filepath.Base(dir))
}

func TestLearnerFollowsAStep(t *testing.T) {
	needRoot(t)
	need(t, "go")
	dir := own(t)
	started := workshop(t, "start", "STEP=5", "DIR="+dir)
	require.Zero(t, started.status, started.output)
	assert.Contains(t, started.output, "make check STEP=5 DIR="+dir)

	unchanged := workshop(t, "check", "STEP=5", "DIR="+dir)
	assert.NotZero(t, unchanged.status)
	assert.Contains(t, unchanged.output, "ok    the command is process 1")
	assert.Regexp(t, `FAIL  ps sees the processes of the container and no others\n +seen: .*\n +hint: Mount a new proc`, unchanged.output)

	missing := workshop(t, "diff", "STEP=5", "DIR="+dir)
	require.Zero(t, missing.status, missing.output)
	assert.Contains(t, missing.output, "\n+func mountProc() error {\n")

	shell(t, "..", "cp step05-proc/main.go "+dir)
	complete := workshop(t, "check", "STEP=5", "DIR="+dir)
	assert.Zero(t, complete.status, complete.output)
	assert.NotContains(t, complete.output, "FAIL")
	assert.Contains(t, complete.output, "That is step 5.")
}

func TestStretchIsBeyondTheStep(t *testing.T) {
	needRoot(t)
	need(t, "go")
	dir := own(t)
	shell(t, "..", "cp step03-pid/main.go "+dir)
	unchanged := workshop(t, "stretch", "STEP=3", "DIR="+dir)
	assert.NotZero(t, unchanged.status)
	fail := ` {2}FAIL {2}.*\n {8}seen: .*\n {8}hint: .*`
	assert.Regexp(t, `^\nBeyond step 3\n`+fail+`CLONE_NEWNET.*\n`+fail+`unix\.Wait4.*\n\n2 to go\.\n`, unchanged.output)
}

func TestStartNeverOverwrites(t *testing.T) {
	dir := own(t)
	shell(t, "..", "echo mine > "+dir+"/main.go")
	refused := workshop(t, "start", "STEP=3", "DIR="+dir)
	assert.NotZero(t, refused.status)
	assert.Contains(t, refused.output, "is there already")
	text, err := os.ReadFile(filepath.Join("..", dir, "main.go"))
	require.NoError(t, err)
	assert.Equal(t, "mine\n", string(text))
}

func TestBadStepsAreNamed(t *testing.T) {
	for _, args := range [][]string{
		{"start", "STEP=8", "DIR=work/x"}, {"start", "STEP=3"}, {"start", "STEP=3", "DIR=/tmp/x"},
		{"diff", "STEP=0"}, {"diff", "STEP=3", "DIR=work/nowhere"}, {"check", "STEP=9"}, {"run", "STEP=x"},
	} {
		refused := workshop(t, args...)
		assert.NotZero(t, refused.status, "%q", args)
		assert.NotContains(t, refused.output, "No such file")
		assert.Regexp(t, `which step|where\?|outside|no such`, refused.output, "%q", args)
	}
}

func TestRunRunsACommand(t *testing.T) {
	needRoot(t)
	need(t, "go")
	if _, err := os.Stat("/var/lib/container-workshop/rootfs"); err != nil && os.Getenv("ROOTFS") == "" {
		t.Skip("needs a root file system: make rootfs")
	}
	ran := workshop(t, "run", `CMD=hostname; echo $$ "$0" 'a  b'`)
	assert.Equal(t, script{"container\n1 /bin/bash a  b\n", 0}, ran)
	failed := workshop(t, "run", "CMD=exit 3", "STEP=3")
	assert.NotZero(t, failed.status)
}

func TestHelpListsEveryTarget(t *testing.T) {
	help := workshop(t)
	require.Zero(t, help.status, help.output)
	for _, target := range []string{"help", "run", "rootfs", "start", "diff", "check", "stretch", "doctor", "test", "lint", "clean"} {
		assert.Regexp(t, `(?m)^make `+target+` +[A-Z]`, help.output)
	}
}
