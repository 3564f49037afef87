//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A screen is what a terminal has shown.
type screen struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.text.Write(p)
}

func (s *screen) shows(text string) func() bool {
	return func() bool {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		return bytes.Contains(s.text.Bytes(), []byte(text))
	}
}

// atShell makes a call of the program as a job of a shell at a terminal, and runs the rest of a script afterwards.
func (c *trial) atShell(args []string, rest string) (tty *os.File, seen *screen) {
	c.Helper()
	call := c.call(args...)
	shell := exec.Command("bash", append([]string{"--norc", "-c", `set -m; "$@"; ` + rest, "bash"}, call.Args...)...)
	shell.Env = call.Env
	tty, err := pty.Start(shell)
	require.NoError(c, err)
	seen = &screen{}
	c.Cleanup(func() {
		_ = shell.Process.Kill()
		_ = shell.Wait()
		tty.Close()
	})
	go func() { _, _ = tty.WriteTo(seen) }()
	return tty, seen
}

func TestAJobThatWasStoppedGoesOnInTheBackground(t *testing.T) {
	c := newTrial(t)
	tty, seen := c.atShell(c.runArgs(nil, "/bin/sh", "-c", "echo ready; sleep 0.5; echo still here"), "echo stopped; bg; wait; echo over")
	until(t, "it runs", seen.shows("ready"))
	_, err := tty.WriteString("\x1a")
	require.NoError(t, err)
	until(t, "it is stopped", seen.shows("stopped"))
	// Nobody types anything, and nobody reads: so nothing stops it again.
	until(t, "it goes on", seen.shows("still here"))
	until(t, "it has ended", seen.shows("over"))
}

// A command that reads in the background gets what is typed after fg, and nothing that is typed before.
func TestAJobInTheBackgroundReadsWhenItIsInTheForegroundAgain(t *testing.T) {
	c := newTrial(t)
	tty, seen := c.atShell(c.runArgs(nil, "/bin/sh", "-c", "echo ready; read line; echo got $line"), "echo stopped; bg; echo continued; read key; fg; echo over")
	until(t, "it runs", seen.shows("ready"))
	_, err := tty.WriteString("\x1a")
	require.NoError(t, err)
	until(t, "it is continued", seen.shows("continued"))
	// It reads in the background. The shell must know that it is stopped again: fg continues no job that runs.
	shell, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGSID)
	require.NoError(t, err)
	until(t, "it is stopped", func() bool {
		job, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", shell, shell))
		stat, _ := os.ReadFile("/proc/" + strings.TrimSpace(string(job)) + "/stat")
		return strings.Contains(string(stat), ") T ")
	})
	_, err = tty.WriteString("for the shell\n")
	require.NoError(t, err)
	until(t, "it has the terminal", func() bool {
		settings, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
		return err == nil && settings.Lflag&unix.ICANON == 0
	})
	_, err = tty.WriteString("this\r")
	require.NoError(t, err)
	until(t, "it reads", seen.shows("got this"))
	until(t, "it has ended", seen.shows("over"))
}

// Ctrl-D ends one read, so each program that reads on gets the next Ctrl-D. A shell that edits lines takes Ctrl-D in its own mode.
func TestTheEndOfAPipeIsTheEndOfEveryRead(t *testing.T) {
	for script, want := range map[string]string{
		"cat; cat; echo end":  "echo one''two\necho one''two\nend\n",
		"exec bash --norc -i": "onetwo\n",
		// There is one Ctrl-D as long as nobody reads.
		"stty -icanon -echo; dd bs=100 count=1 >/dev/null 2>&1; sleep 1; dd bs=100 count=1 2>/dev/null | od -An -c": "\n 004\n",
	} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			c := newTrial(t)
			cmd := c.call(c.runArgs([]string{"-t"}, "/bin/sh", "-c", script)...)
			cmd.Stdin = strings.NewReader("echo one''two\n")
			late := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
			defer late.Stop()
			r := outcome(t, cmd)
			require.Contains(t, "\n"+r.stdout, want)
			require.NotContains(t, r.stdout, "^D")
			c.nothingLeft()
		})
	}
}
