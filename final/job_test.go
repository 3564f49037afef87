//go:build linux

package main

import (
	"bytes"
	"os/exec"
	"sync"
	"testing"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
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

func TestAJobThatWasStoppedGoesOnInTheBackground(t *testing.T) {
	c := newTrial(t)
	run := c.call(c.runArgs(nil, "/bin/sh", "-c", "echo ready; sleep 0.5; echo still here")...)
	shell := exec.Command("bash", append([]string{"--norc", "-c", `set -m; "$@"; echo stopped; bg; wait; echo over`, "bash"}, run.Args...)...)
	shell.Env = run.Env
	tty, err := pty.Start(shell)
	require.NoError(t, err)
	defer tty.Close()
	defer shell.Wait()
	defer shell.Process.Kill()
	var seen screen
	go func() { _, _ = tty.WriteTo(&seen) }()
	until(t, "it runs", seen.shows("ready"))
	_, err = tty.WriteString("\x1a")
	require.NoError(t, err)
	until(t, "it is stopped", seen.shows("stopped"))
	// Nobody types anything, and nobody reads: so nothing stops it again.
	until(t, "it goes on", seen.shows("still here"))
	until(t, "it has ended", seen.shows("over"))
}
