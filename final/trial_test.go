//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/engine"
	"container-workshop/final/spec"
	"container-workshop/internal/check"
)

// patience is how long the program may take for what should take milliseconds.
const patience = time.Minute

// A trial is a container with an ID, a state directory and a mark of its own, so that all that is left of it can be found.
// Its test is on a thread with a mount namespace of its own, where mounts are shared as on a host with systemd.
type trial struct {
	*testing.T
	root, id, mark string
	mounts         string
	// person is the ordinary user who makes the calls. Nil is root.
	person *person
	// more is what else is left, nil for nothing.
	more func() []string
}

func newTrial(t *testing.T) *trial {
	t.Helper()
	needRootfs(t)
	id, err := spec.MakeID()
	require.NoError(t, err)
	c := &trial{T: t, root: t.TempDir(), id: "test-" + id, mark: "WORKSHOP_MARK=" + id}
	// The thread ends with the test, and the namespace with it.
	runtime.LockOSThread()
	require.NoError(t, unix.Unshare(unix.CLONE_FS|unix.CLONE_NEWNS))
	require.NoError(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	require.NoError(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""))
	c.mounts = c.mountTable()
	t.Cleanup(func() {
		for pids := c.processes(); len(pids) > 0; pids = c.processes() {
			for _, pid := range pids {
				_ = unix.Kill(pid, unix.SIGKILL)
			}
			time.Sleep(time.Millisecond)
		}
		_ = c.call("delete", "--force", c.id).Run()
		// Of a state that is not known it is not known where its files are.
		_ = os.RemoveAll(filepath.Join(engine.Storage(), c.id))
	})
	return c
}

// call returns a call of the program with the state directory of the trial.
func (c *trial) call(args ...string) *exec.Cmd {
	c.Helper()
	cmd := command(c.T, append([]string{"--root", c.root}, args...)...)
	cmd.Env = append(cmd.Env, c.mark)
	if c.person != nil {
		c.person.makes(cmd)
	}
	cmd.WaitDelay = patience
	return cmd
}

// final calls the program and waits for its end.
func (c *trial) final(args ...string) result {
	c.Helper()
	return outcome(c.T, c.call(args...))
}

// runArgs are the arguments for a container of the trial.
func (c *trial) runArgs(flags []string, command ...string) []string {
	c.Helper()
	args := append([]string{"run", "--rootfs", needRootfs(c.T), "--name", c.id, "--env", c.mark}, flags...)
	return append(args, command...)
}

// detached starts a shell script in a container in the background.
func (c *trial) detached(script string, flags ...string) {
	c.Helper()
	r := c.final(c.runArgs(append([]string{"--detach"}, flags...), "/bin/sh", "-c", script)...)
	if c.person != nil {
		// An ordinary user may have no cgroups, and then there is a warning.
		r.stderr = ""
	}
	require.Equal(c, result{c.id + "\n", "", 0}, r)
}

func (c *trial) mountTable() string {
	data, err := os.ReadFile("/proc/thread-self/mountinfo")
	require.NoError(c, err)
	return string(data)
}

// processes are those with the mark in their environment: the program, its helpers and what is in the container.
func (c *trial) processes() []int { return check.Marked(c.mark) }

// storage has the files that containers write.
func (c *trial) storage() string {
	if c.person != nil {
		return filepath.Join(c.person.home, ".local/share/container-workshop/containers")
	}
	return engine.Storage()
}

// left is what is there of the container.
func (c *trial) left() []string {
	var left []string
	for _, pid := range c.processes() {
		left = append(left, fmt.Sprintf("process %d %q", pid, cmdline(pid)))
	}
	for _, pattern := range []string{
		"/sys/fs/cgroup/*/container-workshop-" + c.id, "/sys/fs/cgroup/container-workshop-" + c.id,
		filepath.Join(c.storage(), c.id), filepath.Join(c.root, "*"), filepath.Join(c.root, ".*"),
	} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			if base := filepath.Base(file); base != "." && base != ".." {
				left = append(left, file)
			}
		}
	}
	if now := c.mountTable(); now != c.mounts {
		left = append(left, "mounts: "+now)
	}
	if c.more != nil {
		left = append(left, c.more()...)
	}
	return left
}

// nothingLeft requires that in time nothing is left.
func (c *trial) nothingLeft() {
	c.Helper()
	var left []string
	c.until(func() bool { left = c.left(); return len(left) == 0 }, func() string { return "left: " + strings.Join(left, "\n") })
}

// until waits until something is so.
func (c *trial) until(so func() bool, otherwise func() string) {
	c.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			require.FailNow(c, otherwise())
		}
	}
}

// cmdline returns the arguments of a process, each with a zero byte at its end. proc_pid_cmdline(5)
func cmdline(pid int) string {
	content, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return string(content)
}

// parentOf returns the parent of a process.
func parentOf(pid int) int {
	parent, _ := strconv.Atoi(check.Stat(pid, 4))
	return parent
}

// childOf returns the one child of a process among those of the trial.
func (c *trial) childOf(parent int) int {
	c.Helper()
	children := slices.DeleteFunc(c.processes(), func(pid int) bool { return parentOf(pid) != parent })
	require.Len(c, children, 1)
	return children[0]
}

// first returns process 1 of the container, 0 if there is none.
func (c *trial) first() int {
	for _, pid := range c.processes() {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		_, rest, _ := strings.Cut(string(status), "\nNSpid:\t")
		line, _, _ := strings.Cut(rest, "\n")
		if numbers := strings.Fields(line); len(numbers) == 2 && numbers[1] == "1" {
			return pid
		}
	}
	return 0
}

// atStage waits until a process of the trial stays at its stage, and returns it.
func (c *trial) atStage() int {
	c.Helper()
	found := 0
	c.until(func() bool {
		for _, pid := range c.processes() {
			if comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); string(comm) == atStage+"\n" {
				found = pid
			}
		}
		return found != 0
	}, func() string { return "no process stays at the stage" })
	return found
}
