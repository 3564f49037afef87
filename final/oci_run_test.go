//go:build linux

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestTheStatusOfRunIsThatOfTheBundlesCommand(t *testing.T) {
	for script, status := range map[string]int{"exit 0": 0, "exit 7": 7, "exit 255": 255} {
		c := newBundle(t, "sh", "-c", script)
		require.Equal(t, result{"", "", status}, c.run(), script)
		c.nothingLeft()
	}
	const ready = "echo ready >/ready; while :; do sleep 0.01; done"
	for _, m := range []struct {
		script string
		end    func(c *bundled, run *os.Process)
		status int
	}{
		// A signal for us is for the command.
		{"trap 'exit 21' USR1; " + ready, func(_ *bundled, run *os.Process) { require.NoError(t, run.Signal(unix.SIGUSR1)) }, 21},
		{ready, func(_ *bundled, run *os.Process) { require.NoError(t, run.Signal(unix.SIGTERM)) }, 143},
		{ready, func(c *bundled, _ *os.Process) { require.Equal(t, result{}, c.final("kill", c.id, "KILL")) }, 137},
	} {
		c := newBundle(t, "sh", "-c", m.script)
		c.write()
		cmd := c.call("run", "--bundle", c.dir, c.id)
		require.NoError(t, cmd.Start())
		c.wrote("ready", "ready\n")
		m.end(c, cmd.Process)
		_ = cmd.Wait()
		require.Equal(t, m.status, cmd.ProcessState.ExitCode())
		c.nothingLeft()
	}
}

func TestKeepLeavesTheState(t *testing.T) {
	c := newBundle(t, "sh", "-c", "exit 6")
	require.Equal(t, result{"", "", 6}, c.run("--keep"))
	status, pid := c.status()
	require.Equal(t, []any{"stopped", 0}, []any{status, pid})
	require.Contains(t, c.final("state", c.id).stdout, `"exit": 6`)
	refused(t, c.run(), 1, c.id, "stopped")
	require.Equal(t, result{}, c.final("delete", c.id))
	c.nothingLeft()
}

func TestRunOfABundleLeavesADetachedContainer(t *testing.T) {
	for _, flag := range []string{"-d", "--detach"} {
		c := newBundle(t, "sh", "-c", "echo out; echo ran >/ran; exec sleep 1000")
		c.write()
		pid := filepath.Join(t.TempDir(), "pid")
		r := c.toFiles(c.call("run", flag, "--pid-file", pid, "--bundle", c.dir, c.id))
		require.Equal(t, 0, r.status, r.stderr)
		require.Empty(t, r.stderr)
		c.wrote("ran", "ran\n")
		status, first := c.status()
		require.Equal(t, "running", status)
		require.Equal(t, first, pidIn(t, pid))
		// It is nobody's but its own: nothing of ours stays with it.
		require.Equal(t, []int{first}, c.processes())
		require.Equal(t, result{}, c.final("kill", c.id, "KILL"))
		c.stopped()
		require.Equal(t, result{}, c.final("delete", c.id))
		c.nothingLeft()
	}
}

func TestABundleOfSpecRunsOnATerminal(t *testing.T) {
	c := newBundle(t)
	root := c.spec.Root.Path
	require.Equal(t, result{}, c.final("spec", "--bundle", c.dir))
	require.NoError(t, os.Rename(root, filepath.Join(c.dir, "rootfs")))
	x := c.atTerminal("run", "--bundle", c.dir, c.id)
	x.shows("# ")
	x.raw()
	_, err := x.master.WriteString("echo $((6*7)); busybox stty size; echo $HOSTNAME >/x; exit 5\n")
	require.NoError(t, err)
	x.shows("42\r\n31 87\r\n")
	x.shows("Read-only file system")
	x.shows("status 5.")
	x.restored()
	require.NoError(t, x.shell.Process.Kill())
	_ = x.shell.Wait()
	c.nothingLeft()
	// Without a terminal of the caller's there is still one in the container.
	cmd := c.call("run", "--bundle", c.dir, c.id)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	_, err = in.Write([]byte("tty; exit 5\n"))
	require.NoError(t, err)
	r := outcome(t, cmd)
	require.Equal(t, 5, r.status, r.stderr)
	c.nothingLeft()
}
