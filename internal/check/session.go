//go:build linux

package check

import (
	"cmp"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A session is a running program.
type session struct {
	cmd    *exec.Cmd
	stdout transcript
	stderr transcript
	// ended is closed when run has ended and been waited for.
	ended chan struct{}
	// rootfs is the root file system of the program.
	rootfs string
	// mark is in the environment of all processes of the session.
	mark string
}

// watch waits for run in the background.
func (s *session) watch() {
	go func() {
		s.cmd.Wait()
		close(s.ended)
	}()
}

// notEnded is the error about a program that still runs.
const notEnded = "run has not ended"

// endedRun is in the error about a signal that ended run, and not only the command.
const endedRun = "ended run itself"

// wait waits for the end of run, for as long as Patience.
func (s *session) wait() (result, error) {
	return s.waitFor(Patience)
}

func (s *session) waitFor(limit time.Duration) (result, error) {
	select {
	case <-s.ended:
	case <-time.After(limit):
	}
	if err := s.flooded(); err != nil {
		return result{}, err
	}
	if !s.over() {
		return result{}, fmt.Errorf(notEnded+" after %v, and %s", limit, printed(s.stdout.String(), s.stderr.String()))
	}
	status := s.cmd.ProcessState.ExitCode()
	if sig := s.cmd.ProcessState.Sys().(interface{ Signal() unix.Signal }).Signal(); sig > 0 {
		return result{}, fmt.Errorf("the signal %s %s", unix.SignalName(sig), endedRun)
	}
	return result{s.stdout.String(), s.stderr.String(), status}, nil
}

// expect waits until the command has printed the text.
func (s *session) expect(text string) error {
	deadline := time.After(Patience)
	for {
		changed := s.stdout.changed()
		if strings.Contains(s.stdout.String(), text) {
			return nil
		}
		select {
		case <-changed:
		case <-s.ended:
			if strings.Contains(s.stdout.String(), text) {
				return nil
			}
			if err := s.flooded(); err != nil {
				return err
			}
			return fmt.Errorf("%q should appear, but run ended with the status %d, and %s", text, s.cmd.ProcessState.ExitCode(), printed(s.stdout.String(), s.stderr.String()))
		case <-deadline:
			return fmt.Errorf("%q should appear, but run %s", text, printed(s.stdout.String(), s.stderr.String()))
		}
	}
}

// over reports whether run has ended and been waited for.
func (s *session) over() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// flooded returns an error if the session was killed because there was no end to its output.
func (s *session) flooded() error {
	for _, t := range []*transcript{&s.stdout, &s.stderr} {
		if t.overflowed() {
			return fmt.Errorf("run prints without end: %.60q…", t.String())
		}
	}
	return nil
}

// close ends the session. First it lets run clean up, then it kills the remaining processes.
func (s *session) close() {
	s.cmd.Process.Signal(unix.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(Patience / 3):
		s.cmd.Process.Kill()
		<-s.ended
	}
	s.killAll()
}

// killAll kills all processes of the session, until none is left.
func (s *session) killAll() {
	for left := Marked(s.mark); len(left) > 0; left = Marked(s.mark) {
		for _, pid := range left {
			unix.Kill(pid, unix.SIGKILL)
		}
	}
}

// hasChild waits until run has a child.
func (s *session) hasChild() error {
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); {
		if s.over() {
			return fmt.Errorf("run has ended: %q", s.stderr.String())
		}
		for _, pid := range pids() {
			if parent(pid) == s.cmd.Process.Pid {
				return nil
			}
		}
		runtime.Gosched()
	}
	return errors.New("run has started no process")
}

// doing has words for the states of a process.
var doing = map[string]string{"S": "waiting", "T": "stopped", "R": "running"}

// states waits until the command with this name is in the state: S means sleeping, T means stopped. proc_pid_stat(5)
func (s *session) states(name, state string) error {
	seen := "not there"
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); {
		for _, pid := range Marked(s.mark) {
			if fields := stat(pid); fields[2] == name {
				seen = fields[3]
			}
		}
		if seen == state {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return fmt.Errorf("%s should be %s, but is %s", name, doing[state], cmp.Or(doing[seen], seen))
}

// jobStops waits until run has stopped as a job of a shell. Only then can the shell continue it.
func (s *session) jobStops() error {
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		for _, pid := range pids() {
			if parent(pid) == s.cmd.Process.Pid && Stat(pid, 3) == "T" {
				return nil
			}
		}
	}
	return errors.New("run has not stopped with its command")
}

// quiet waits until the program has printed nothing for a while.
func (s *session) quiet(while time.Duration) {
	for {
		select {
		case <-s.stdout.changed():
		case <-time.After(while):
			return
		}
	}
}
