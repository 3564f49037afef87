//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"io"
	"os/exec"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/require"
)

// A line is one that events prints, as callers read it.
type line struct {
	Type, ID string
	Data     *struct {
		CPU    struct{ Usage struct{ Total uint64 } }
		Memory struct{ Usage struct{ Usage, Limit uint64 } }
		Pids   struct{ Current, Limit uint64 }
	}
}

// lines starts a call and returns what it prints, line by line, until it ends.
func (c *trial) lines(args ...string) (*exec.Cmd, <-chan string) {
	c.Helper()
	cmd := c.call(args...)
	out, err := cmd.StdoutPipe()
	require.NoError(c, err)
	require.NoError(c, cmd.Start())
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		scanner := bufio.NewScanner(out)
		for scanner.Scan() {
			lines <- scanner.Text()
		}
		_, _ = io.Copy(io.Discard, out)
	}()
	return cmd, lines
}

// next waits for the next line.
func (c *trial) next(lines <-chan string) (l line, more bool) {
	c.Helper()
	select {
	case text, more := <-lines:
		if more {
			require.NoError(c, json.Unmarshal([]byte(text), &l), text)
		}
		return l, more
	case <-time.After(patience):
		require.FailNow(c, "there is no line")
		return l, false
	}
}

func TestEventsTellWhatAContainerTakes(t *testing.T) {
	c := newBundle(t, "sh", "-c", "sleep 1000 & sleep 1000 & wait")
	c.spec.Linux.Resources.Memory = &specs.LinuxMemory{Limit: new(int64(64 << 20))}
	c.spec.Linux.Resources.Pids = &specs.LinuxPids{Limit: new(int64(50))}
	c.started()
	c.until(func() bool { return len(c.processes()) == 3 }, func() string { return "there are not three" })
	cmd, all := c.lines("events", "--stats", c.id)
	l, _ := c.next(all)
	_, more := c.next(all)
	require.False(t, more)
	require.NoError(t, cmd.Wait())
	require.Equal(t, []string{"stats", c.id}, []string{l.Type, l.ID})
	require.Equal(t, []uint64{3, 50}, []uint64{l.Data.Pids.Current, l.Data.Pids.Limit})
	require.NotZero(t, l.Data.CPU.Usage.Total)
	require.NotZero(t, l.Data.Memory.Usage.Usage)
	require.Equal(t, uint64(64<<20), l.Data.Memory.Usage.Limit)

	cmd, all = c.lines("events", "--interval", "20ms", c.id)
	for range 3 {
		l, more := c.next(all)
		require.True(t, more)
		require.Equal(t, "stats", l.Type)
		require.Equal(t, uint64(3), l.Data.Pids.Current)
	}
	require.Equal(t, result{}, c.final("kill", c.id, "KILL"))
	for more := true; more; {
		_, more = c.next(all)
	}
	require.NoError(t, cmd.Wait())
	c.stopped()
	for _, flags := range [][]string{nil, {"--stats"}} {
		refused(t, c.final(append(append([]string{"events"}, flags...), c.id)...), 1, "container not running")
	}
	refused(t, c.final("events", "--interval", "0s", c.id), 1, "--interval")
	require.Equal(t, result{}, c.final("delete", c.id))
	c.nothingLeft()
}

func TestEventsTellOfMemoryThatHasRunOut(t *testing.T) {
	// It runs out again and again: the first times may be before anybody looks.
	c := newBundle(t, "sh", "-c", "while :; do busybox tail /dev/zero; done")
	// No swap either, of which there may be plenty.
	c.spec.Linux.Resources.Memory = &specs.LinuxMemory{Limit: new(int64(8 << 20)), Swap: new(int64(8 << 20))}
	c.started()
	cmd, all := c.lines("events", "--interval", "1h", c.id)
	l, more := c.next(all)
	require.True(t, more)
	require.Equal(t, line{Type: "oom", ID: c.id}, l)
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	for more := true; more; {
		_, more = c.next(all)
	}
	require.NoError(t, cmd.Wait())
	c.nothingLeft()
}
