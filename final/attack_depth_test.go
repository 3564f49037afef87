//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/engine"
)

// digDown makes so many directories of a name, each in the one before, from a directory on.
func digDown(args []string) error {
	levels, err := strconv.Atoi(args[0])
	err = errors.Join(err, unix.Chdir(args[1]))
	for name := args[2]; err == nil && levels > 0; levels-- {
		if err = unix.Mkdir(name, 0o700); err == nil {
			err = unix.Chdir(name)
		}
	}
	return err
}

// inMemory has what containers write in memory, so that tests with many files are quick.
func (c *trial) inMemory() {
	c.Helper()
	require.NoError(c, os.MkdirAll(engine.Storage(), 0o711))
	require.NoError(c, unix.Mount("tmpfs", engine.Storage(), "tmpfs", 0, "mode=711,size=256m"))
	c.mounts = c.mountTable()
}

// A container can make more levels than a process may have descriptors, and no path is long enough for them.
func TestAContainerCannotMakeItselfUndeletable(t *testing.T) {
	levels := "25000"
	if testing.Short() {
		// The overlay takes the longer for each level the deeper it is.
		levels = "5000"
	}
	self, err := os.Executable()
	require.NoError(t, err)
	volume := []string{"--volume", self + ":/attack:ro"}
	c := newTrial(t)
	c.inMemory()
	require.Equal(t, result{"done\n", "", 0}, c.final(c.runArgs(volume, "/attack", "attack", "dig", levels, "/", "d")...))
	c.nothingLeft()

	c.detached(kept)
	c.logged("ready")
	require.Equal(t, "done", printed(t, onHost(t, "dig", "25000", filepath.Join(engine.Storage(), c.id, "upper"), "d")))
	// Some hosts let a process have more descriptors than there are levels.
	call := c.call("delete", "--force", c.id)
	limited := exec.Command("sh", append([]string{"-c", `ulimit -n 256; exec "$@"`, "sh"}, call.Args...)...)
	limited.Env = call.Env
	require.Equal(t, result{}, outcome(t, limited))
	c.nothingLeft()
}

// Nor can it by cgroups of its own.
func TestCgroupsAtAnyDepthAreRemoved(t *testing.T) {
	const levels = "40"
	place := "/sys/fs/cgroup"
	if _, err := os.Stat(place + "/freezer"); err == nil {
		place += "/freezer"
	}
	self, err := os.Executable()
	require.NoError(t, err)
	c := newTrial(t)
	dig := []string{"/attack", "attack", "dig", levels, place, strings.Repeat("c", 200)}
	flags := []string{"--privileged", "--volume", self + ":/attack:ro"}
	require.Equal(t, result{"done\n", "", 0}, c.final(c.runArgs(flags, dig...)...))
	c.nothingLeft()
	c.detached(kept, flags...)
	c.logged("ready")
	require.Equal(t, result{"done\n", "", 0}, c.final(append([]string{"exec", c.id}, dig...)...))
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

// A cgroup for threads only has no list of processes. A container that may write to its cgroup cannot make itself undeletable by one.
func TestACgroupOfThreadsIsRemoved(t *testing.T) {
	place := "/sys/fs/cgroup"
	if unifiedTree(t); !pure(t) {
		place += "/unified"
	}
	c := newBundle(t)
	for i, m := range c.spec.Mounts {
		if m.Type == "cgroup" {
			c.spec.Mounts[i].Options = []string{"rw"}
		}
	}
	c.stays()
	require.Equal(t, "threaded", c.exec("cd "+place+" && mkdir threads && echo threaded >threads/cgroup.type && cat threads/cgroup.type"))
	require.Equal(t, result{}, c.final("kill", "--all", c.id, "CONT"))
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

// What cannot be removed is no failure of the command.
func TestTheStatusIsTheCommandsWhateverIsLeft(t *testing.T) {
	outside := outsider(t, 0)
	before := tree(t, outside)
	for _, status := range []int{0, 7} {
		c := newTrial(t)
		c.inMemory()
		volume := t.TempDir()
		cmd := c.call(c.runArgs([]string{"--volume", volume + ":/volume"}, "/bin/sh", "-c", fmt.Sprintf("mkdir /busy; echo >/volume/ready; while [ ! -e /volume/go ]; do sleep .01; done; exit %d", status))...)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		require.NoError(t, cmd.Start())
		c.until(func() bool { _, err := os.Stat(filepath.Join(volume, "ready")); return err == nil }, func() string { return "it does not run" })
		busy := filepath.Join(engine.Storage(), c.id, "upper/busy")
		require.NoError(t, unix.Mount(outside, busy, "", unix.MS_BIND, ""))
		require.NoError(t, os.WriteFile(filepath.Join(volume, "go"), nil, 0o600))
		_ = cmd.Wait()
		assert.Equal(t, status, cmd.ProcessState.ExitCode())
		assert.Equal(t, 1, strings.Count(stderr.String(), "\n"), stderr.String())
		for _, word := range []string{"warning", "upper/busy", "umount", "delete --force " + c.id} {
			assert.Contains(t, stderr.String(), word)
		}
		refused(t, c.final("delete", "--force", c.id), 1, "upper/busy", "umount")
		// What is mounted there is not what the container has written.
		assert.Equal(t, before, tree(t, outside))
		require.NoError(t, unix.Unmount(busy, 0))
		require.Equal(t, result{}, c.final("delete", c.id))
		c.nothingLeft()
	}
}
