//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/engine"
	"container-workshop/internal/check"
)

// atOnce makes calls at the same time, and returns what they leave.
func (c *trial) atOnce(calls ...[]string) []result {
	c.Helper()
	results := make([]result, len(calls))
	var all sync.WaitGroup
	for i, args := range calls {
		cmd := c.call(args...)
		var stdout, stderr strings.Builder
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		all.Go(func() {
			_ = cmd.Run()
			results[i] = result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
		})
	}
	all.Wait()
	return results
}

func TestASecondContainerWithTheNameIsRefusedAndTheFirstKeepsItsFiles(t *testing.T) {
	c := newTrial(t)
	c.detached("echo mine >/data; " + kept)
	c.logged("ready")
	for _, flags := range [][]string{nil, {"--detach"}} {
		refused(t, c.final(c.runArgs(flags, "true")...), 125, c.id, "running", "final delete --force "+c.id)
	}
	// Nor may one with other state take what belongs to the first.
	other := *c
	other.root = t.TempDir()
	refused(t, other.final(other.runArgs(nil, "true")...), 125, c.id, "--root")
	require.Equal(t, result{"mine\n", "", 0}, c.final("exec", c.id, "cat", "/data"))
	require.Equal(t, "ready\n", c.final("logs", c.id).stdout)
	require.Equal(t, result{}, c.final("kill", c.id, "KILL"))
	c.stopped()
	refused(t, c.final(c.runArgs(nil, "true")...), 125, c.id, "stopped", "final delete --force "+c.id)
	require.Equal(t, result{}, c.final("delete", c.id))
	require.Equal(t, result{}, c.final(c.runArgs(nil, "true")...))
	c.nothingLeft()
}

func TestOfTwoRunsWithOneNameAtOnceExactlyOneStarts(t *testing.T) {
	c := newTrial(t)
	for range 10 {
		args := c.runArgs([]string{"--detach"}, "/bin/sh", "-c", "echo mine >/data; "+kept)
		results := c.atOnce(args, args, args, args)
		winners := 0
		for _, r := range results {
			if r.status == 0 {
				winners++
				continue
			}
			refused(t, r, 125, c.id, "already exists")
		}
		require.Equal(t, 1, winners, "%v", results)
		c.logged("ready")
		require.Equal(t, result{"mine\n", "", 0}, c.final("exec", c.id, "cat", "/data"))
		require.Equal(t, result{}, c.final("delete", "--force", c.id))
		c.nothingLeft()
	}
}

// killTogether kills all processes of the trial. None of them sees the end of another.
func (c *trial) killTogether() {
	for _, pid := range c.processes() {
		_ = unix.Kill(pid, unix.SIGSTOP)
	}
	for pids := c.processes(); len(pids) > 0; pids = c.processes() {
		for _, pid := range pids {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}

func TestStaleStateIsNoObstacle(t *testing.T) {
	overlay := func(c *trial) {
		require.NoError(c, os.MkdirAll(filepath.Join(engine.Storage(), c.id, "upper", "old"), 0o755))
	}
	for name, leave := range map[string]func(c *trial){
		"of a run that was killed together with its guard": func(c *trial) {
			cmd := c.call(c.runArgs(nil, "/bin/sh", "-c", "echo ready >/old; exec sleep 1000")...)
			require.NoError(c, cmd.Start())
			c.until(func() bool { return c.first() != 0 && strings.Contains(c.final("list").stdout, "running") }, func() string { return "it does not start" })
			c.killTogether()
			_ = cmd.Wait()
			require.NotEmpty(c, c.left())
			c.stopped()
		},
		"of a detached one that was killed before it ran": func(c *trial) {
			cmd := c.call(c.runArgs([]string{"--detach"}, "true")...)
			cmd.Env = append(cmd.Env, interruptEnv+"=container 3 "+c.root+"/never")
			require.NoError(c, cmd.Start())
			c.atStage()
			// final takes the ID while process 1 begins.
			c.until(func() bool { return exists(filepath.Join(c.root, c.id)) }, func() string { return "it takes no ID" })
			c.killTogether()
			_ = cmd.Wait()
			require.NotEmpty(c, c.left())
			c.stopped()
		},
		"with garbage":          func(c *trial) { c.leaveState("\x00garbage{") },
		"with an empty file":    func(c *trial) { c.leaveState("") },
		"with half of a file":   func(c *trial) { c.leaveState(`{"ociVersion":"1.2.0","id":"` + c.id + `","pid":`) },
		"with the wrong types":  func(c *trial) { c.leaveState(`{"id":[],"pid":"1"}`) },
		"of another container":  func(c *trial) { c.leaveState(`{"id":"other","pid":1,"status":"running"}`) },
		"that is empty":         func(c *trial) { require.NoError(c, os.Mkdir(filepath.Join(c.root, c.id), 0o755)) },
		"of before a restart":   overlay,
		"with an empty overlay": func(c *trial) { overlay(c); c.leaveState("{}") },
	} {
		t.Run(name, func(t *testing.T) {
			c := newTrial(t)
			leave(c)
			r := c.final("list")
			require.Equal(t, 0, r.status, r.stderr)
			require.Empty(t, r.stderr)
			require.Equal(t, result{"fresh\n", "", 0}, c.final(c.runArgs(nil, "/bin/sh", "-c", "[ -e /old ] || echo fresh")...))
			c.nothingLeft()

			leave(c)
			if _, err := os.Stat(filepath.Join(c.root, c.id)); err == nil {
				require.Equal(t, result{}, c.final("delete", c.id))
				require.NoDirExists(t, filepath.Join(c.root, c.id))
			}
		})
	}
}

func (c *trial) leaveState(content string) {
	dir := filepath.Join(c.root, c.id)
	require.NoError(c, os.MkdirAll(dir, 0o755))
	require.NoError(c, os.WriteFile(filepath.Join(dir, "state.json"), []byte(content), 0o600))
}

func TestListLeavesOutWhatIsNoContainer(t *testing.T) {
	c := newTrial(t)
	c.detached(kept)
	require.NoError(t, os.WriteFile(filepath.Join(c.root, "file"), nil, 0o600))
	require.NoError(t, os.Symlink("/", filepath.Join(c.root, "link")))
	require.NoError(t, os.Mkdir(filepath.Join(c.root, ".hidden"), 0o700))
	r := c.final("list")
	require.Equal(t, 0, r.status)
	require.Equal(t, 2, strings.Count(r.stdout, "\n"), r.stdout)
}

func TestManyCommandsAtOnceOnOneContainerDoNotCorruptIt(t *testing.T) {
	c := newTrial(t)
	known := []string{"does not exist", "container not running", "just ended", "ended before it could start", "has no log"}
	for range 3 {
		c.detached("trap : USR1; " + "while :; do sleep 0.01; done")
		var calls [][]string
		for range 5 {
			calls = append(calls, []string{"state", c.id}, []string{"kill", c.id, "USR1"}, []string{"exec", c.id, "true"}, []string{"list"})
		}
		for i, r := range c.atOnce(calls...) {
			require.Equal(t, 0, r.status, "%v: %v", calls[i], r)
			require.Empty(t, r.stderr)
		}
		status, pid := c.status()
		require.Equal(t, "running", status)
		require.Equal(t, c.first(), pid)

		for range 5 {
			calls = append(calls, []string{"delete", "--force", c.id})
		}
		removed := 0
		for i, r := range c.atOnce(calls...) {
			if calls[i][0] == "delete" && r.status == 0 {
				removed++
			}
			// A command that was running is killed with the container.
			if r.status == 0 || calls[i][0] == "exec" && r.status == 137 && r.stderr == "" {
				continue
			}
			refused(t, r, failure(calls[i][0]))
			require.True(t, containsAny(r.stderr, known), "%v: %#v", calls[i], r)
		}
		// With force it does not matter who has done it.
		require.Equal(t, 5, removed)
		c.nothingLeft()
	}
}

func containsAny(text string, words []string) bool {
	for _, word := range words {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

func TestManyContainersLeaveNothing(t *testing.T) {
	inARow, atOnce := 60, 30
	switch {
	case testing.Short():
		inARow, atOnce = 6, 3
	case os.Getenv("WORKSHOP_LONG") != "":
		inARow, atOnce = 500, 100
	}
	c := newTrial(t)
	named := func(name string) []string {
		return []string{"run", "--rootfs", needRootfs(t), "--env", c.mark, "--name", name, "true"}
	}
	for i := range inARow {
		require.Equal(t, result{}, c.final(named(fmt.Sprintf("%s-%d", c.id, i))...))
	}
	c.nothingLeft()
	var calls [][]string
	for i := range atOnce {
		calls = append(calls, named(fmt.Sprintf("%s-%d", c.id, i)))
	}
	for _, r := range c.atOnce(calls...) {
		require.Equal(t, result{}, r)
	}
	c.nothingLeft()
	for _, pattern := range []string{"/sys/fs/cgroup/*/container-workshop-", "/sys/fs/cgroup/container-workshop-", engine.Storage() + "/"} {
		found, err := filepath.Glob(pattern + c.id + "*")
		require.NoError(t, err)
		require.Empty(t, found)
	}
}

// A process runs as long as one of its threads does. Here the first thread of process 1 ends.
func TestAContainerRunsWithoutTheFirstThreadOfItsProcess(t *testing.T) {
	c := newTrial(t)
	self, err := os.Executable()
	require.NoError(t, err)
	exit := strconv.Itoa(unix.SYS_EXIT)
	r := c.final(c.runArgs([]string{"--detach", "--volume", self + ":/attack:ro", "--memory", "256m"}, "/attack", "attack", "call", exit, "0")...)
	require.Equal(t, result{c.id + "\n", "", 0}, r)
	pid := 0
	c.until(func() bool { _, pid = c.status(); return pid != 0 && check.Stat(pid, 3) == "Z" }, func() string { return "it does not run without its first thread" })
	status, _ := c.status()
	require.Equal(t, "running", status)
	refused(t, c.final("delete", c.id), 1, "running")
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}
