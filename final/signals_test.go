//go:build linux

package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/internal/check"
)

// A spoken is a call whose output is read line by line.
type spoken struct {
	*exec.Cmd
	lines *bufio.Reader
	t     *testing.T
}

// speak starts a call, in a session of its own, which has no terminal.
func (c *trial) speak(args ...string) *spoken {
	c.Helper()
	return c.speakAs(&unix.SysProcAttr{Setsid: true}, args...)
}

func (c *trial) speakAs(attr *unix.SysProcAttr, args ...string) *spoken {
	c.Helper()
	cmd := c.call(args...)
	output, err := cmd.StdoutPipe()
	require.NoError(c, err)
	if c.person != nil {
		attr.Credential = cmd.SysProcAttr.Credential
	}
	cmd.SysProcAttr = attr
	require.NoError(c, cmd.Start())
	return &spoken{cmd, bufio.NewReader(output), c.T}
}

// says waits for a line.
func (s *spoken) says(want string) {
	s.t.Helper()
	line, err := s.lines.ReadString('\n')
	require.NoError(s.t, err, "instead of %q", want)
	require.Equal(s.t, want+"\n", line)
}

func (s *spoken) signal(sig unix.Signal) {
	s.t.Helper()
	require.NoError(s.t, unix.Kill(s.Process.Pid, sig))
}

// ends waits for the end, with a status.
func (s *spoken) ends(status int) {
	s.t.Helper()
	late := time.AfterFunc(patience, func() { _ = s.Process.Kill() })
	defer late.Stop()
	_ = s.Wait()
	require.Equal(s.t, status, s.ProcessState.ExitCode())
}

// everySignal are those that can be caught, but for what tells a program of itself, and what the Go library does not let through.
func everySignal() []unix.Signal {
	var all []unix.Signal
	for sig := unix.Signal(1); sig <= 64; sig++ {
		switch sig {
		case unix.SIGKILL, unix.SIGSTOP, unix.SIGCHLD, unix.SIGURG, unix.SIGPIPE, unix.SIGPROF, 32, 33, 34:
		default:
			all = append(all, sig)
		}
	}
	return all
}

// echoing is a script that names each signal it gets. After TERM it has three seconds.
func echoing(signals []unix.Signal) string {
	var script strings.Builder
	for _, sig := range signals {
		fmt.Fprintf(&script, "trap 'echo got %d' %d; ", sig, sig)
	}
	return script.String() + "echo ready; while :; do sleep 0.01; done"
}

func TestEverySignalIsPassedOn(t *testing.T) {
	for name, start := range map[string]func(c *trial, script string) *spoken{
		"by run": func(c *trial, script string) *spoken {
			return c.speak(c.runArgs(nil, "/bin/bash", "-c", script)...)
		},
		"by exec": func(c *trial, script string) *spoken {
			c.detached(kept)
			return c.speak("exec", c.id, "/bin/bash", "-c", script)
		},
		"by run --init": func(c *trial, script string) *spoken {
			return c.speak(c.runArgs([]string{"--init"}, "/bin/bash", "-c", script)...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newTrial(t)
			s := start(c, echoing(everySignal()))
			s.says("ready")
			for _, sig := range everySignal() {
				if sig == unix.SIGTERM {
					continue
				}
				s.signal(sig)
				s.says(fmt.Sprintf("got %d", sig))
			}
			s.signal(unix.SIGTERM)
			s.says(fmt.Sprintf("got %d", unix.SIGTERM))
			s.ends(143)
		})
	}
}

// A process 1 has no default actions: they are done for it, and those that are to do nothing do nothing. signal(7)
func TestASignalThatIsNotHandledDoesWhatItDoesOnTheHost(t *testing.T) {
	ignored := map[unix.Signal]bool{unix.SIGCONT: true, unix.SIGWINCH: true}
	for _, sig := range everySignal() {
		switch sig {
		case unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU:
			continue
		}
		if testing.Short() && sig > 40 {
			break
		}
		t.Run(fmt.Sprint(int(sig)), func(t *testing.T) {
			t.Parallel()
			c := newTrial(t)
			s := c.speak(c.runArgs(nil, "/bin/sh", "-c", "echo ready; exec sleep 1000")...)
			s.says("ready")
			// A shell may handle signals for itself.
			c.until(func() bool { return strings.HasPrefix(cmdline(c.first()), "sleep\x00") }, func() string { return "it does not sleep" })
			s.signal(sig)
			if ignored[sig] {
				s.signal(unix.SIGTERM)
				s.ends(143)
				return
			}
			s.ends(128 + int(sig))
			c.nothingLeft()
		})
	}
}

func TestASignalThatStopsIsForTheCommandToo(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU} {
		c := newTrial(t)
		// A job of our session, so that there is somebody who can continue it.
		s := c.speakAs(&unix.SysProcAttr{Setpgid: true}, c.runArgs(nil, "/bin/sh", "-c", "echo ready; exec sleep 1000")...)
		s.says("ready")
		first := c.first()
		both := func(states string) {
			c.until(func() bool {
				return strings.Contains(states, check.Stat(s.Process.Pid, 3)) && strings.Contains(states, check.Stat(first, 3))
			}, func() string {
				return fmt.Sprintf("after %v run is %s and the command %s, not %s", sig, check.Stat(s.Process.Pid, 3), check.Stat(first, 3), states)
			})
		}
		s.signal(sig)
		both("T")
		s.signal(unix.SIGCONT)
		both("SR")
		s.signal(unix.SIGTERM)
		s.ends(143)
		c.nothingLeft()
	}
}

// Who reads what the command has printed knows that it runs, before run and exec have heard of it.
func TestASignalAtTheFirstOutputIsTheCommands(t *testing.T) {
	const script = "trap 'exit 21' TERM QUIT USR1; echo ready; while :; do sleep 0.01; done"
	for name, start := range map[string]func(c *trial) *spoken{
		"run": func(c *trial) *spoken { return c.speak(c.runArgs(nil, "/bin/sh", "-c", script)...) },
		"exec": func(c *trial) *spoken {
			if c.first() == 0 {
				c.detached(kept)
			}
			return c.speak("exec", c.id, "/bin/sh", "-c", script)
		},
		"exec with a pid file": func(c *trial) *spoken {
			if c.first() == 0 {
				c.detached(kept)
			}
			return c.speak("exec", "--pid-file", filepath.Join(c.TempDir(), "pid"), c.id, "/bin/sh", "-c", script)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTrial(t)
			for range 4 {
				for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGQUIT, unix.SIGUSR1} {
					s := start(c)
					s.says("ready")
					s.signal(sig)
					s.ends(21)
				}
			}
		})
	}
}

func TestASignalReachesACommandWhoseTerminalIsSomebodyElses(t *testing.T) {
	c := newTrial(t)
	c.detached(kept)
	socket := c.listen()
	s := c.speak("exec", "--tty", "--console-socket", socket.path, c.id, "/bin/sh", "-c", "trap 'exit 21' USR1; echo ready; while :; do sleep 0.01; done")
	socket.reads(socket.terminal(), "ready")
	s.signal(unix.SIGUSR1)
	s.ends(21)
}

// Before there is a command, a signal that asks for the end ends us, whatever we are waiting for, and nothing is left.
func TestASignalBeforeTheCommandEndsUs(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM} {
		t.Run(fmt.Sprintf("in a hook of run, %v", sig), func(t *testing.T) {
			c := newBundle(t, "true")
			began := filepath.Join(c.dir, "began")
			c.spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "touch " + began + "; exec sleep 1000"},
				Env: []string{c.mark, "PATH=/bin:/usr/bin"}}}}
			c.write()
			s := c.speak("run", "--bundle", c.dir, c.id)
			c.until(func() bool { _, err := os.Stat(began); return err == nil }, func() string { return "the hook does not run" })
			s.signal(sig)
			s.ends(128 + int(sig))
			c.nothingLeft()
		})
	}
	t.Run("when exec waits for the container", func(t *testing.T) {
		c := newTrial(t)
		c.detached(kept)
		before := len(c.processes())
		dir, err := unix.Open(filepath.Join(c.root, c.id), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		require.NoError(t, err)
		defer unix.Close(dir)
		require.NoError(t, unix.Flock(dir, unix.LOCK_EX))
		s := c.speak("exec", c.id, "echo", "ran")
		c.until(func() bool { return waitsForLock(s.Process.Pid) }, func() string { return "it does not wait" })
		s.signal(unix.SIGTERM)
		s.ends(143)
		require.Len(t, c.processes(), before)
	})
}

// waitsForLock reports whether a process waits in flock(2). proc_pid_syscall(5)
func waitsForLock(pid int) bool {
	call, _ := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", pid))
	return strings.HasPrefix(string(call), fmt.Sprintf("%d ", unix.SYS_FLOCK))
}
