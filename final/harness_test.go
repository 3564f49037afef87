//go:build linux

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"container-workshop/internal/needs"
)

// A result is what a call of final leaves.
type result struct {
	stdout, stderr string
	status         int
}

// needRootfs returns the root file system of the tests, or skips what needs it.
var needRootfs = needs.Rootfs

// command returns a call of final, which is the test binary itself.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	needRootfs(t)
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, inForm(args)...)
	cmd.Env = append(os.Environ(), "WORKSHOP_AS_PROGRAM=1")
	return cmd
}

// final calls final and waits for its end.
func final(t *testing.T, args ...string) result {
	t.Helper()
	return outcome(t, command(t, args...))
}

// outcome runs a command to its end.
func outcome(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// run runs a shell script in a container, with flags.
func run(t *testing.T, script string, flags ...string) result {
	t.Helper()
	args := append([]string{"run", "--rootfs", needRootfs(t)}, flags...)
	return final(t, append(args, "/bin/sh", "-c", script)...)
}

// detached starts a container in the background with a shell script, and removes it when the test ends. It returns the ID.
func detached(t *testing.T, script string, flags ...string) string {
	t.Helper()
	args := append([]string{"run", "--detach", "--rootfs", needRootfs(t)}, flags...)
	r := final(t, append(args, "/bin/sh", "-c", script)...)
	require.Equal(t, 0, r.status, r.stderr)
	id := strings.TrimSpace(r.stdout)
	t.Cleanup(func() { final(t, "delete", "--force", id) })
	return id
}

// refused requires that a call failed with one line, with the words in it.
func refused(t *testing.T, r result, status int, words ...string) {
	t.Helper()
	require.Equal(t, status, r.status, r.stderr)
	require.Empty(t, r.stdout)
	require.Equal(t, 1, strings.Count(r.stderr, "\n"), r.stderr)
	for _, word := range words {
		require.Contains(t, r.stderr, word)
	}
}

// failure is the status of a verb that has failed itself, which run of a command has not: that has 125.
func failure(verb string) int {
	if verb == "exec" {
		return 255
	}
	return 1
}

// rootfsOf makes a root file system of a static busybox and what files says: a path ending in / is a directory, a value
// starting with "-> " a symbolic link, all else a file.
func rootfsOf(t testing.TB, files map[string]string) string {
	t.Helper()
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("needs busybox: apt-get install busybox-static")
	}
	dir := t.TempDir()
	for _, d := range []string{"bin", "etc", "proc", "sys", "dev", "tmp"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, d), 0o755))
	}
	program, err := os.ReadFile(busybox)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bin/busybox"), program, 0o755))
	for _, name := range []string{"sh", "true", "cat", "ls", "sleep", "id", "echo", "stat", "mount"} {
		require.NoError(t, os.Symlink("busybox", filepath.Join(dir, "bin", name)))
	}
	for name, content := range files {
		place := filepath.Join(dir, name)
		require.NoError(t, os.RemoveAll(place))
		require.NoError(t, os.MkdirAll(filepath.Dir(place), 0o755))
		target, link := strings.CutPrefix(content, "-> ")
		switch {
		case strings.HasSuffix(name, "/"):
			require.NoError(t, os.MkdirAll(place, 0o755))
		case link:
			require.NoError(t, os.Symlink(target, place))
		default:
			require.NoError(t, os.WriteFile(place, []byte(content), 0o755))
		}
	}
	return dir
}
