//go:build linux

package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// comesBack closes its terminal, and opens it again by a name: in between nobody in the container has it open.
func comesBack(seq, name string) string {
	return "echo one; exec 0<&- 1>&- 2>&-; sleep 0.3; exec 1>" + name + "; " + seq + " 1 20000; exit 5"
}

func TestWhatComesAfterATerminalIsOpenedAgainIsShown(t *testing.T) {
	var lines strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&lines, "%d\r\n", i+1)
	}
	all := "one\r\n" + lines.String()
	for name, start := range map[string]func(t *testing.T) *shellTerminal{
		"of run": func(t *testing.T) *shellTerminal {
			c := newTrial(t)
			return c.atTerminal(c.runArgs(nil, "/bin/sh", "-c", comesBack("seq", "/dev/console"))...)
		},
		"of run --bundle": func(t *testing.T) *shellTerminal {
			c := newBundle(t, "sh", "-c", comesBack("busybox seq", "/dev/console"))
			c.spec.Process.Terminal = true
			c.write()
			return c.atTerminal("run", "--bundle", c.dir, c.id)
		},
		"of exec": func(t *testing.T) *shellTerminal {
			c := newTrial(t)
			c.detached(kept)
			return c.atTerminal("exec", c.id, "/bin/sh", "-c", comesBack("seq", "/dev/pts/0"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := start(t)
			x.shows("status 5.")
			require.Contains(t, x.screen(), all)
			x.restored()
		})
	}
	t.Run("of run --detach", func(t *testing.T) {
		c := newTrial(t)
		c.detached(comesBack("seq", "/dev/console"), "--tty")
		c.until(func() bool { return strings.HasSuffix(c.final("logs", c.id).stdout, "\n20000\r\n") },
			func() string { return "the end is not in the log" })
		require.Equal(t, all, c.final("logs", c.id).stdout)
	})
}

// A process outside the container has the terminal and prints for ever. When the command ends, run ends all the same.
func TestTheEndOfACommandIsTheEndOfWhatItsTerminalShows(t *testing.T) {
	c := newTrial(t)
	c.detached(kept)
	x := c.atTerminal("exec", c.id, "/bin/sh", "-c", "trap '' HUP; echo ready; yes more & exit 3")
	x.shows("status 3.")
	x.restored()
	_, after, _ := strings.Cut(x.screen(), "status 3.")
	require.NotContains(t, after, "more")
	// With nobody at the other end of its terminal it ends by itself, although it ignores that.
	c.until(func() bool { return !c.hasProcess("yes") }, func() string { return "it still prints" })
}

// hasProcess reports whether a program of the container's is running.
func (c *trial) hasProcess(name string) bool {
	for _, pid := range c.processes() {
		if strings.HasPrefix(cmdline(pid), name+"\x00") && unix.Kill(pid, 0) == nil {
			return true
		}
	}
	return false
}
