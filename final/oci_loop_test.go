//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/require"
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
	require.NoError(c, cmd.Start())
	if kill {
		time.Sleep(rand.N(c.normal[args[0]]))
		_ = cmd.Process.Kill()
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if kill && err != nil {
		require.ErrorAs(c, err, &exit)
		require.Equal(c, -1, exit.ExitCode(), "round %d: %v: %v", c.round, args, err)
		return false
	}
	require.NoError(c, err, "round %d: %v", c.round, args)
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
}

// listed returns the status and the process that list tells of, "" if it tells of none.
func (c *interrupted) listed() (specs.ContainerState, int) {
	c.Helper()
	r := c.final("list", "--format", "json")
	require.Equal(c, 0, r.status, r.stderr)
	require.Empty(c, r.stderr)
	var all []public
	require.NoError(c, json.Unmarshal([]byte(r.stdout), &all))
	require.LessOrEqual(c, len(all), 1)
	if len(all) == 0 {
		return "", 0
	}
	require.Equal(c, c.id, all[0].ID)
	return all[0].Status, all[0].Pid
}

// runs reports whether a process is the command. Until then it is still this program. proc_pid_comm(5)
func (c *interrupted) runs(pid int) bool {
	comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return string(comm) == "sleep\n"
}

// made creates the container, and reports whether it can be started.
func (c *interrupted) made() bool {
	c.Helper()
	ended := c.call(rand.N(2) == 0, "create", "--bundle", c.dir, c.id)
	status, pid := c.listed()
	c.seen[fmt.Sprintf("create, ended %v: %q", ended, status)]++
	if ended || status == specs.StateCreated {
		require.Equal(c, specs.StateCreated, status, "round %d", c.round)
		require.Equal(c, c.first(), pid, "round %d", c.round)
		require.False(c, c.runs(pid))
		return true
	}
	// Who waits for the word of the maker sees that it is gone, and then nobody is making it any more.
	c.until(func() bool { status, _ = c.listed(); return status != specs.StateCreating }, func() string {
		return fmt.Sprintf("round %d: nobody is making it, and it is listed as %s", c.round, status)
	})
	require.Contains(c, []specs.ContainerState{"", specs.StateStopped}, status, "round %d", c.round)
	refused(c.T, c.final("start", c.id), 1)
	return false
}

// startedSomehow lets it run, or not.
func (c *interrupted) startedSomehow() {
	c.Helper()
	first := c.first()
	ended := c.call(rand.N(2) == 0, "start", c.id)
	before := c.runs(first)
	status, pid := c.listed()
	after := c.runs(first)
	c.seen[fmt.Sprintf("start, ended %v: %q", ended, status)]++
	require.Contains(c, []specs.ContainerState{specs.StateCreated, specs.StateRunning}, status, "round %d", c.round)
	require.Equal(c, first, pid, "round %d", c.round)
	// It may become the command while we look, and nothing else.
	if ended || before {
		require.Equal(c, specs.StateRunning, status, "round %d", c.round)
	}
	if !after {
		require.Equal(c, specs.StateCreated, status, "round %d", c.round)
		// It can still be started, unless the word of the first has come to it.
		if r := c.final("start", c.id); r.status != 0 {
			refused(c.T, r, 1)
		}
		c.until(func() bool { return c.runs(first) }, func() string { return fmt.Sprintf("round %d: it does not run", c.round) })
		status, _ = c.listed()
		require.Equal(c, specs.StateRunning, status, "round %d", c.round)
	}
}

func TestWhateverMomentTheCallerIsKilledListIsRightAndDeleteCleansUp(t *testing.T) {
	rounds := 500
	if testing.Short() {
		rounds = 50
	}
	c := &interrupted{bundled: newBundle(t, "sleep", "1000"), normal: map[string]time.Duration{}, seen: map[string]int{}}
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
