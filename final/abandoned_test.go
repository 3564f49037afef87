//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// forget removes all state, as a restart of the host does. The end of a user's session removes the user's state.
func (c *trial) forget() {
	c.Helper()
	require.NoError(c, os.RemoveAll(c.root))
	require.DirExists(c, filepath.Join(c.storage(), c.id))
	if c.person != nil {
		require.NoError(c, os.Mkdir(c.root, 0o700))
		require.NoError(c, os.Chown(c.root, c.person.uid, c.person.uid))
	}
}

func TestWhatAContainerHasLeftWithoutStateIsRemoved(t *testing.T) {
	c := newTrial(t)
	for _, remove := range [][]string{{"delete", c.id}, {"delete", "--force", c.id}, {"prune"}} {
		c.detached("echo mine >/data; " + kept)
		c.logged("ready")
		first := c.first()
		monitor := parentOf(first)
		require.NoError(t, unix.Kill(first, unix.SIGKILL))
		c.until(func() bool { return unix.Kill(monitor, 0) == unix.ESRCH }, func() string { return "the monitor stays" })
		c.forget()
		r := c.final(remove...)
		require.Equal(t, 0, r.status, r.stderr)
		assert.Empty(t, r.stderr)
		if remove[0] == "prune" {
			assert.Contains(t, strings.Split(r.stdout, "\n"), c.id)
		}
		c.nothingLeft()
	}
	refused(t, c.final("delete", c.id), 1, c.id, "does not exist")
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
}

// Whoever looks at the networks first takes nothing from delete that delete needs.
func TestWhatAContainerHasLeftOfItsNetworkWithoutStateIsRemoved(t *testing.T) {
	c := newNetTrial(t)
	for _, remove := range [][]string{{"delete", c.id}, {"prune"}} {
		c.background("--network", "bridge")
		first := c.first()
		monitor := parentOf(first)
		c.forget()
		require.NoError(t, unix.Kill(first, unix.SIGKILL))
		c.until(func() bool { return unix.Kill(monitor, 0) == unix.ESRCH }, func() string { return "the monitor stays" })
		require.Equal(t, 0, c.final("network", "list").status)
		r := c.final(remove...)
		require.Equal(t, 0, r.status, r.stderr)
		c.nothingLeft()
	}
}

func TestAContainerThatHasLostItsStateKeepsItsFiles(t *testing.T) {
	for name, start := range map[string]func(c *trial){
		"detached": func(c *trial) { c.detached("echo mine >/data; " + kept); c.logged("ready") },
		"in the foreground": func(c *trial) {
			cmd := c.call(c.runArgs(nil, "/bin/sh", "-c", "echo mine >/data; "+kept)...)
			output, err := cmd.StdoutPipe()
			require.NoError(c, err)
			require.NoError(c, cmd.Start())
			_, err = output.Read(make([]byte, 16))
			require.NoError(c, err)
			// Exec waits until run has written all state.
			require.Equal(c, result{}, c.final("exec", c.id, "true"))
			go func() { _ = cmd.Wait() }()
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTrial(t)
			start(c)
			c.keepsItsFiles(parentOf(c.first()))
		})
	}
}

// An ordinary user may have no cgroups, in which root finds the processes of a container.
func TestAContainerOfAnOrdinaryUserThatHasLostItsStateKeepsItsFiles(t *testing.T) {
	c := asPerson(t, ranges)
	c.detached("echo mine >/data; " + kept)
	c.logged("ready")
	c.keepsItsFiles(parentOf(c.first()))
}

// The monitor was killed, so its lock is gone. Without cgroups, only the note in the storage tells that process 1 runs.
func TestAContainerThatHasLostItsStateAndItsMonitorKeepsItsFiles(t *testing.T) {
	c := asPerson(t, ranges)
	c.detached("echo mine >/data; " + kept)
	c.logged("ready")
	monitor := parentOf(c.first())
	require.NoError(t, unix.Kill(monitor, unix.SIGKILL))
	c.until(func() bool { return unix.Kill(monitor, 0) == unix.ESRCH }, func() string { return "the monitor stays" })
	c.keepsItsFiles(0)
}

// keepsItsFiles takes the state of a container away. keeper is run or the monitor, or 0 if it has been killed.
func (c *trial) keepsItsFiles(keeper int) {
	c.Helper()
	first := c.first()
	c.forget()
	says := fmt.Sprintf("%s goes on, though its state is gone: process %d uses its files", c.id, first)
	for _, call := range [][]string{c.runArgs(nil, "true"), c.runArgs([]string{"--detach"}, "true"), {"delete", c.id}, {"delete", "--force", c.id}} {
		r := c.final(call...)
		assert.Equal(c, failureOf(call), r.status)
		assert.Contains(c, r.stderr, says)
		assert.Contains(c, r.stderr, fmt.Sprintf("kill -KILL %d", first))
	}
	r := c.final("prune")
	require.Equal(c, 0, r.status, r.stderr)
	assert.NotContains(c, r.stdout, c.id)
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/root/data", first))
	require.NoError(c, err)
	assert.Equal(c, "mine\n", string(data))
	// The remedy.
	require.NoError(c, unix.Kill(first, unix.SIGKILL))
	c.until(func() bool { return unix.Kill(first, 0) == unix.ESRCH }, func() string { return "process 1 stays" })
	c.until(func() bool { return keeper == 0 || unix.Kill(keeper, 0) == unix.ESRCH }, func() string { return "run or the monitor stays" })
	r = c.final("delete", "--force", c.id)
	require.Equal(c, 0, r.status, r.stderr)
	c.nothingLeft()
}
