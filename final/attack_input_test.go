//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// fifo makes a FIFO. No process has it open.
func fifo(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, unix.Mkfifo(name, 0o600))
	return name
}

func TestAFIFOInPlaceOfAFileOfTheCallersIsRefused(t *testing.T) {
	c := newTrial(t)
	c.detached(kept)
	name := fifo(t)
	bundle := t.TempDir()
	require.NoError(t, unix.Mkfifo(filepath.Join(bundle, "config.json"), 0o600))
	other := newTrial(t)
	for _, args := range [][]string{
		other.runArgs([]string{"--env-file", name}, "true"),
		other.runArgs([]string{"--detach", "--env-file", name}, "true"),
		other.runArgs([]string{"--security-opt", "seccomp=" + name}, "true"),
		{"run", "--bundle", bundle, other.id},
		{"create", "--bundle", bundle, other.id},
		{"exec", "--process", name, c.id},
		{"update", "--resources", name, c.id},
	} {
		r := inTime(t, c.call(args...))
		require.NotEqual(t, 0, r.status, args)
		require.Contains(t, r.stderr, "regular file", args)
		require.Equal(t, 1, strings.Count(r.stderr, "\n"), r.stderr)
	}
	// The refused calls have not locked the container: another command runs in it.
	require.Equal(t, result{"well\n", "", 0}, c.final("exec", c.id, "echo", "well"))
	other.nothingLeft()
}

func TestAPipeOfTheCallersIsReadByItsNumber(t *testing.T) {
	c := newTrial(t)
	// As a shell gives it for <(COMMAND).
	piped := func(content string, args ...string) result {
		t.Helper()
		read, write, err := os.Pipe()
		require.NoError(t, err)
		defer read.Close()
		_, err = write.WriteString(content)
		require.NoError(t, err)
		require.NoError(t, write.Close())
		cmd := c.call(args...)
		cmd.ExtraFiles = []*os.File{read}
		return inTime(t, cmd)
	}
	foreground := c.runArgs([]string{"--env-file", "/dev/fd/3"}, "/bin/sh", "-c", "echo $FROM_A_PIPE")
	require.Equal(t, result{"yes\n", "", 0}, piped("FROM_A_PIPE=yes\n", foreground...))
	c.nothingLeft()
	detached := c.runArgs([]string{"--detach", "--env-file", "/proc/self/fd/3"}, "/bin/sh", "-c", "echo $FROM_A_PIPE; exec sleep 1000")
	require.Equal(t, result{c.id + "\n", "", 0}, piped("FROM_A_PIPE=yes\n", detached...))
	c.logged("yes\n")
	limits := `{"pids": {"limit": 50}}`
	require.Equal(t, result{}, piped(limits, "update", "--resources", "/dev/fd/3", c.id))
	for _, name := range []string{"-", "/dev/stdin", "/proc/self/fd/0"} {
		cmd := c.call("update", "--resources", name, c.id)
		cmd.Stdin = strings.NewReader(limits)
		require.Equal(t, result{}, inTime(t, cmd), name)
	}
}

func TestASignalBeforeThereIsACommandEndsIt(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGINT} {
		t.Run("while a pipe is read, "+unix.SignalName(sig), func(t *testing.T) {
			c := newTrial(t)
			c.detached(kept)
			other := newTrial(t)
			for _, args := range [][]string{
				other.runArgs([]string{"--env-file", "/dev/stdin"}, "true"),
				other.runArgs([]string{"--detach", "--env-file", "/dev/stdin"}, "true"),
				{"exec", "--process", "/dev/stdin", c.id},
				{"update", "--resources", "-", c.id},
			} {
				cmd := c.call(args...)
				stdin, err := cmd.StdinPipe()
				require.NoError(t, err)
				var stderr bytes.Buffer
				cmd.Stderr = &stderr
				require.NoError(t, cmd.Start())
				c.until(func() bool { return isReadingAPipe(cmd.Process.Pid) }, func() string { return fmt.Sprint(args, " does not read") })
				require.NoError(t, cmd.Process.Signal(sig))
				require.Equal(t, 128+int(sig), endOf(t, cmd), "%v: %s", args, &stderr)
				require.Empty(t, stderr.String())
				stdin.Close()
			}
			other.nothingLeft()
		})
		// For a hook of the host side see TestASignalBeforeTheCommandEndsUs.
		t.Run("while a createContainer hook runs, "+unix.SignalName(sig), func(t *testing.T) {
			c := newBundle(t, "true")
			begun := filepath.Join(t.TempDir(), "begun")
			c.hook("createContainer", "echo >"+begun+"; exec sleep 1000")
			c.write()
			cmd := c.call("run", "--bundle", c.dir, c.id)
			require.NoError(t, cmd.Start())
			c.until(func() bool { _, err := os.Stat(begun); return err == nil }, func() string { return "the hook does not run" })
			require.NoError(t, cmd.Process.Signal(sig))
			require.Equal(t, 128+int(sig), endOf(t, cmd))
			c.nothingLeft()
		})
	}
}

// isReadingAPipe reports whether a process waits for its standard input: it has opened that again by its name, or is in read(2).
func isReadingAPipe(pid int) bool {
	stdin, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/0", pid))
	links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, link := range links {
		if target, _ := os.Readlink(link); target == stdin && filepath.Base(link) != "0" {
			return true
		}
	}
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
	for _, thread := range threads {
		call, _ := os.ReadFile(thread)
		if strings.HasPrefix(string(call), fmt.Sprintf("%d 0x0 ", unix.SYS_READ)) {
			return true
		}
	}
	return false
}

// endOf waits for the end of a command that was sent a signal, and returns the status that a shell would have.
func endOf(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	_ = cmd.Wait()
	require.True(t, timer.Stop(), "it does not end")
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}
