//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/require"

	"container-workshop/final/container"
)

// An interrupted is a bundle whose caller is killed at random moments.
type interrupted struct {
	*bundled
	// normal is how long a call takes that is not killed, by its verb.
	normal map[string]time.Duration
	// seen counts what there was after a call, for the log of the test.
	seen  map[string]int
	round int
}

// call makes a call, and kills it at a random moment unless that comes too late. It reports whether the call has ended by itself.
func (c *interrupted) call(kill bool, args ...string) bool {
	c.Helper()
	cmd := c.bundled.call(args...)
	// A file, which the container may keep open.
	stderr, err := os.Create(filepath.Join(c.dir, "stderr"))
	require.NoError(c, err)
	defer stderr.Close()
	cmd.Stderr = stderr
	require.NoError(c, cmd.Start())
	if kill {
		time.Sleep(rand.N(c.normal[args[0]]))
		_ = cmd.Process.Kill()
	}
	_ = cmd.Wait()
	status := cmd.ProcessState.ExitCode()
	if kill && status == -1 {
		return false
	}
	said, _ := os.ReadFile(stderr.Name())
	require.Equal(c, 0, status, "round %d: %v: %s", c.round, args, said)
	return true
}

// measure makes calls to their end, to know how long that takes.
func (c *interrupted) measure() {
	c.Helper()
	for _, args := range [][]string{{"create", "--bundle", c.dir, c.id}, {"start", c.id}, {"delete", "--force", c.id}} {
		before := time.Now()
		require.True(c, c.call(false, args...))
		c.normal[args[0]] = max(c.normal[args[0]], time.Since(before))
	}
	_ = os.Remove(c.in("ran"))
}

// listed returns the status and the process that list tells of, "" if it tells of none.
func (c *interrupted) listed() (specs.ContainerState, int) {
	c.Helper()
	r := c.final("list", "--format", "json")
	require.Equal(c, 0, r.status, r.stderr)
	require.Empty(c, r.stderr)
	var all []container.Public
	require.NoError(c, json.Unmarshal([]byte(r.stdout), &all))
	require.LessOrEqual(c, len(all), 1)
	if len(all) == 0 {
		return "", 0
	}
	require.Equal(c, c.id, all[0].ID)
	return all[0].Status, all[0].Pid
}

// commanded reports whether a process has become the command: that is a moment after its lock is gone. proc_pid_exe(5)
func commanded(pid int) bool {
	program, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return strings.HasSuffix(program, "/busybox")
}

// ran reports whether the command has done something.
func (c *interrupted) ran() bool {
	_, err := os.Lstat(c.in("ran"))
	return err == nil
}

// made creates the container, and reports whether it can be started.
func (c *interrupted) made() bool {
	c.Helper()
	ended := c.call(rand.N(2) == 0, "create", "--bundle", c.dir, c.id)
	status, pid := c.listed()
	c.seen[fmt.Sprintf("create, ended %v: %q", ended, status)]++
	if ended {
		require.Equal(c, specs.StateCreated, status, "round %d", c.round)
	}
	// If the word of the maker has come to the container it goes on to where it waits for start. If not it ends.
	c.until(func() bool { status, pid = c.listed(); return status != specs.StateCreating }, func() string {
		return fmt.Sprintf("round %d: nobody is making it, and it is listed as %s", c.round, status)
	})
	if status == specs.StateCreated {
		// It is there to be started, and not about to end because its maker has.
		require.Equal(c, c.first(), pid, "round %d, ended %v", c.round, ended)
		require.False(c, c.ran() || commanded(pid), "round %d", c.round)
		return true
	}
	require.Contains(c, []specs.ContainerState{"", specs.StateStopped}, status, "round %d", c.round)
	refused(c.T, c.final("start", c.id), 1)
	return false
}

// startedSomehow lets it run, or not.
func (c *interrupted) startedSomehow() {
	c.Helper()
	first := c.first()
	ended := c.call(rand.N(2) == 0, "start", c.id)
	before := c.ran()
	status, pid := c.listed()
	c.seen[fmt.Sprintf("start, ended %v: %q", ended, status)]++
	require.Contains(c, []specs.ContainerState{specs.StateCreated, specs.StateRunning}, status, "round %d", c.round)
	require.Equal(c, first, pid, "round %d", c.round)
	// It may become the command while we look, and nothing else.
	if ended || before {
		require.Equal(c, specs.StateRunning, status, "round %d", c.round)
	}
	if status == specs.StateRunning {
		c.until(func() bool { return commanded(first) }, func() string { return fmt.Sprintf("round %d: it is still ours", c.round) })
	} else if !commanded(first) {
		// It can still be started, unless the word of the first has come to it.
		if r := c.final("start", c.id); r.status != 0 {
			refused(c.T, r, 1)
		}
	}
	c.until(c.ran, func() string { return fmt.Sprintf("round %d: it does not run", c.round) })
	status, _ = c.listed()
	require.Equal(c, specs.StateRunning, status, "round %d", c.round)
	require.NoError(c, os.Remove(c.in("ran")))
}

func TestWhateverMomentTheCallerIsKilledListIsRightAndDeleteCleansUp(t *testing.T) {
	rounds := 500
	if testing.Short() {
		rounds = 50
	}
	c := &interrupted{bundled: newBundle(t, "sh", "-c", ": >/ran; exec sleep 1000"), normal: map[string]time.Duration{},
		seen: map[string]int{}}
	c.write()
	for range 3 {
		c.measure()
	}
	for c.round = range rounds {
		if c.made() {
			c.startedSomehow()
		}
		ended := c.call(rand.N(2) == 0, "delete", "--force", c.id)
		status, _ := c.listed()
		c.seen[fmt.Sprintf("delete, ended %v: %q", ended, status)]++
		if ended {
			require.Empty(c, status, "round %d", c.round)
		}
		require.Equal(t, result{}, c.final("delete", "--force", c.id), "round %d", c.round)
		c.nothingLeft()
	}
	for what, times := range c.seen {
		t.Logf("%s, %d times", what, times)
	}
}
