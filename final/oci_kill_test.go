//go:build linux

package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestKillZeroAsksWhetherTheContainerRuns(t *testing.T) {
	c := newBundle(t)
	c.stays()
	require.Equal(t, result{}, c.final("kill", c.id, "0"))
	require.Equal(t, result{}, c.final("kill", "--all", c.id, "0"))
	status, _ := c.status()
	require.Equal(t, "running", status)
	require.Equal(t, result{}, c.final("kill", c.id, "KILL"))
	c.stopped()
	refused(t, c.final("kill", c.id, "0"), 1, "container not running")
	require.Equal(t, result{}, c.final("kill", "--all", c.id, "0"))
	require.Equal(t, result{}, c.final("delete", c.id))
	c.nothingLeft()
}

// Before start, process 1 has no handler yet. The kernel would keep all signals but SIGKILL from it.
func TestASignalEndsAContainerThatHasNotStarted(t *testing.T) {
	for _, signal := range []string{"HUP", "INT", "QUIT", "ABRT", "TERM"} {
		c := newBundle(t, "true")
		c.write()
		require.NoError(t, c.call("create", "--bundle", c.dir, c.id).Run())
		require.Equal(t, result{}, c.final("kill", c.id, signal))
		c.stopped()
		require.Equal(t, result{}, c.final("delete", c.id))
		c.nothingLeft()
	}
	c := newBundle(t, "sh", "-c", "grep SigBlk /proc/self/status >/notes")
	c.write()
	require.NoError(t, c.call("create", "--bundle", c.dir, c.id).Run())
	require.Equal(t, result{}, c.final("kill", c.id, "USR1"))
	require.Equal(t, result{}, c.final("start", c.id))
	c.wrote("notes", "SigBlk:\t0000000000000000\n")
	c.stopped()
	require.Equal(t, result{}, c.final("delete", c.id))
}

func TestSIGKILLIsForAllWhereTheKernelDoesNotEndThemWithTheFirst(t *testing.T) {
	for _, firstHasGone := range []bool{false, true} {
		for _, paused := range []bool{false, true} {
			c := newBundle(t)
			c.without(specs.PIDNamespace)
			pid := c.stays()
			c.thaw()
			for range 3 {
				require.NoError(t, c.call("exec", "--detach", c.id, "sleep", "1000").Run())
			}
			require.Len(t, c.processes(), 4)
			if firstHasGone {
				require.NoError(t, unix.Kill(pid, unix.SIGKILL))
				c.stopped()
			} else if paused {
				require.Equal(t, result{}, c.final("pause", c.id))
			}
			require.Equal(t, result{}, c.final("kill", c.id, "KILL"))
			c.until(func() bool { return len(c.processes()) == 0 }, func() string { return "some are left" })
			c.stopped()
			refused(t, c.final("kill", c.id, "KILL"), 1, "container not running")
			require.Equal(t, result{}, c.final("delete", c.id))
			c.nothingLeft()
		}
	}
}

// A container in the PID namespace of another one has its own processes in its cgroup, and only these are its own.
func TestSIGKILLLeavesTheContainerAloneWhosePIDNamespaceIsShared(t *testing.T) {
	c := newBundle(t)
	pid := c.stays()
	other := c.beside()
	other.joins(pid, specs.PIDNamespace)
	other.stays()
	require.NoError(t, c.call("exec", "--detach", other.id, "sleep", "1000").Run())
	require.Len(t, c.processes(), 3)
	require.Equal(t, result{}, c.final("kill", other.id, "9"))
	other.stopped()
	c.until(func() bool { return len(c.processes()) == 1 }, func() string { return "some are left" })
	require.Equal(t, result{}, c.final("kill", c.id, "0"))
	for _, id := range []string{other.id, c.id} {
		require.Equal(t, result{}, c.final("delete", "--force", id))
	}
	c.nothingLeft()
}

func TestPsOfAStoppedContainerHasNoProcesses(t *testing.T) {
	c := newBundle(t)
	c.stays()
	require.Equal(t, result{}, c.final("kill", c.id, "KILL"))
	c.stopped()
	require.Equal(t, result{"[]\n", "", 0}, c.final("ps", "--format", "json", c.id))
	r := c.final("ps", c.id)
	require.Equal(t, 0, r.status, r.stderr)
	require.NotContains(t, r.stdout, "sleep")
	require.Equal(t, result{}, c.final("delete", c.id))
	refused(t, c.final("ps", c.id), 1, "does not exist")
	c.nothingLeft()

	c = newBundle(t, "true")
	require.Equal(t, result{}, c.run("--keep"))
	require.Equal(t, result{"[]\n", "", 0}, c.final("ps", "--format", "json", c.id))
	require.Equal(t, result{}, c.final("delete", c.id))
	c.nothingLeft()
}

// freezes returns a script by which a container freezes a process of its own in a cgroup below its own, and lets us know.
func (c *bundled) freezes() string {
	dir, file, word := "/sys/fs/cgroup/freezer/below", "freezer.state", "FROZEN"
	if pure(c.T) {
		dir, file, word = "/sys/fs/cgroup/below", "cgroup.freeze", "1"
	}
	for i := range c.spec.Mounts {
		if c.spec.Mounts[i].Type == "cgroup" {
			c.spec.Mounts[i].Options = []string{"rw", "nosuid", "nodev", "noexec"}
		}
	}
	return "set -e; busybox mkdir " + dir + "; sleep 1000 & echo $! >" + dir + "/cgroup.procs; echo " + word + " >" + dir + "/" + file + "; "
}

func TestAContainerThatFreezesItsProcessesIsEnded(t *testing.T) {
	for _, end := range [][]string{{"delete", "--force"}, {"kill"}, {"kill", "--all"}} {
		for _, alone := range []bool{true, false} {
			c := newBundle(t)
			c.spec.Process.Args = []string{"sh", "-c", c.freezes() + "echo ready >/ready; exec sleep 1000"}
			if !alone {
				c.without(specs.PIDNamespace)
			}
			c.thawBelow()
			c.started()
			c.wrote("ready", "ready\n")
			args := append(append([]string{}, end...), c.id)
			if end[0] == "kill" {
				args = append(args, "KILL")
			}
			require.Equal(t, result{}, inTime(t, c.call(args...)), args)
			if end[0] == "kill" {
				c.stopped()
				require.Equal(t, result{}, inTime(t, c.call("delete", c.id)))
			}
			c.nothingLeft()
		}
	}
}

// What run waits for is ended, although the container has frozen a process of its own or is paused.
func TestSIGTERMEndsRunOfAContainerThatIsFrozen(t *testing.T) {
	for _, pause := range []bool{false, true} {
		c := newBundle(t)
		script := "echo ready >/ready; exec sleep 1000"
		if !pause {
			script = c.freezes() + script
		}
		c.spec.Process.Args = []string{"sh", "-c", script}
		c.thawBelow()
		c.thaw()
		c.write()
		cmd := c.call("run", "--bundle", c.dir, c.id)
		require.NoError(t, cmd.Start())
		c.wrote("ready", "ready\n")
		if pause {
			require.Equal(t, result{}, c.final("pause", c.id))
		}
		require.NoError(t, cmd.Process.Signal(unix.SIGTERM))
		late := time.AfterFunc(soon, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		require.True(t, late.Stop(), "run has not ended after %v", soon)
		require.Equal(t, 128+int(unix.SIGTERM), cmd.ProcessState.ExitCode())
		c.nothingLeft()
	}
}

// thawBelow makes sure that the processes that a container has frozen can end, whatever comes of the test.
func (c *bundled) thawBelow() {
	c.Cleanup(func() {
		files, _ := filepath.Glob("/sys/fs/cgroup/freezer" + c.spec.Linux.CgroupsPath + "/below/freezer.state")
		for _, file := range files {
			_ = os.WriteFile(file, []byte("THAWED"), 0)
		}
	})
}
