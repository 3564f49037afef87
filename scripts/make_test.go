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
		// Root must not write into the build cache of the user who called sudo.
		cmd.Env = append(cmd.Env, "GOCACHE="+t.TempDir())
	}
	output, _ := cmd.CombinedOutput()
	require.NotNil(t, cmd.ProcessState, string(output))
	return script{string(output), cmd.ProcessState.ExitCode()}
}

func TestRunRunsACommand(t *testing.T) {
	needRoot(t)
	need(t, "go")
	if _, err := os.Stat("/var/lib/container-workshop/rootfs"); err != nil && os.Getenv("ROOTFS") == "" {
		t.Skip("needs a root file system: make rootfs")
	}
	ran := workshop(t, "run", `CMD=hostname; echo $$ "$0" 'a  b'`)
	assert.Equal(t, script{"container\n1 /bin/bash a  b\n", 0}, ran)
	// A program in DIR may be of a step that has no root file system yet.
	early := workshop(t, "run", "DIR=step03-pid", "CMD=hostname; echo $$")
	assert.Equal(t, script{"container\n1\n", 0}, early)
	failed := workshop(t, "run", "CMD=exit 3", "STEP=3")
	assert.NotZero(t, failed.status)
}

func TestRunNamesStepsThatAreNotThere(t *testing.T) {
	refused := workshop(t, "run", "STEP=x")
	assert.NotZero(t, refused.status)
	assert.Contains(t, refused.output, "STEP=x: there is no such step")
}

func TestHelpListsEveryTarget(t *testing.T) {
	help := workshop(t)
	require.Zero(t, help.status, help.output)
	for _, target := range []string{
		"help", "run", "rootfs", "start", "watch", "check", "hint", "diff", "stretch", "progress", "doctor", "test", "lint", "clean",
	} {
		assert.Regexp(t, `(?m)^  make `+target+` +[A-Z]`, help.output)
	}
}

func TestTheCoachIsForLinux(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "uname"), []byte("#!/bin/sh\necho Darwin\n"), 0o755))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	refused := workshop(t, "start")
	assert.NotZero(t, refused.status)
	assert.Contains(t, refused.output, "Containers need Linux. Type this in your machine: ")
	assert.NotContains(t, refused.output, "build constraints")
}
