//go:build linux

package terminal

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Signals catches the signals that this process gets for the command. Catching begins before the command exists, so that no signal
// is lost, and no signal for the command ends this process instead.
type Signals struct {
	// Passed has the signals for the command.
	Passed chan unix.Signal
	// Job is true if this process has a controlling terminal. Then it is a job of a shell, which can stop and continue it.
	Job bool

	// mutex guards begun.
	mutex sync.Mutex
	// begun reports whether the command runs. It is nil as long as no process can become the command. See Expect.
	begun func() bool
}

// CatchSignals begins to catch signals.
func CatchSignals() *Signals {
	// There is room for one signal of each kind.
	s := &Signals{Passed: make(chan unix.Signal, lastSignal)}
	if tty, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_CLOEXEC, 0); err == nil {
		unix.Close(tty)
		s.Job = true
	}
	catcher = int32(os.Getpid())
	for _, sig := range caughtSignals() {
		catch(sig)
	}
	go func() {
		for {
			await(s.filter)
		}
	}()
	return s
}

// filter decides what a signal is for. Before the command runs, a signal that asks for an end ends this process, and the guard removes
// the half-made container. A signal that stops, stops this process. Other signals wait for the command.
func (s *Signals) filter(sig unix.Signal) {
	if !s.running() {
		switch sig {
		case unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM:
			os.Exit(128 + int(sig))
		case unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU:
			if IsJob() {
				StopUs()
			}
			return
		}
	}
	s.Passed <- sig
}

// running reports whether the command runs.
func (s *Signals) running() bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.begun != nil && s.begun()
}

// Expect says that from now on a process can become the command at any time, and that begun reports whether it has. filter calls
// begun for each signal, because the caller may learn that the command runs, and send a signal, before this process learns it. Nil
// says that no process will become the command.
func (s *Signals) Expect(begun func() bool) {
	if s == nil {
		return
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.begun = begun
}

// IsJob reports whether a shell may continue this process after a stop. The first process group of a session has no shell above it.
// setsid(2)
func IsJob() bool {
	session, _ := unix.Getsid(0)
	return session != unix.Getpgrp()
}

// StopUs stops this process, until it is continued.
func StopUs() { _ = unix.Tgkill(unix.Getpid(), unix.Gettid(), unix.SIGSTOP) }

// InForeground reports whether this process is in the process group that gets the keys of the controlling terminal. tcgetpgrp(3)
func InForeground() bool {
	tty, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(tty)
	group, err := unix.IoctlGetInt(tty, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
