//go:build linux

package terminal

import (
	"os"
	"os/signal"
	"sync"

	"golang.org/x/sys/unix"
)

// Signals catches the signals that this process gets for the command. Catching begins before the command exists, so that no signal
// is lost, and no signal for the command ends this process instead.
type Signals struct {
	caught chan os.Signal
	// Passed has the signals for the command.
	Passed chan unix.Signal
	// all is closed when every signal that can be caught is caught.
	all chan struct{}
	// Job is true if this process has a controlling terminal. Then it is a job of a shell, which can stop and continue it.
	Job bool

	// mutex guards begun.
	mutex sync.Mutex
	// begun reports whether the command runs. It is nil as long as no process can become the command. See Expect.
	begun func() bool
}

// CatchSignals begins to catch signals. Signals that this process ignores, as under nohup, stay ignored, and the command inherits that.
func CatchSignals() *Signals {
	// There is room for one signal of each kind.
	s := &Signals{caught: make(chan os.Signal, 64), Passed: make(chan unix.Signal, 64), all: make(chan struct{})}
	if tty, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_CLOEXEC, 0); err == nil {
		unix.Close(tty)
		s.Job = true
	}
	first, others := signalsFor(s.Job)
	signal.Notify(s.caught, first...)
	go s.filter()
	go func() {
		// Notify takes some ten microseconds for each signal. This goroutine spends them while the container is made.
		signal.Notify(s.caught, others...)
		close(s.all)
	}()
	return s
}

// signalsFor returns the signals to catch: first the signals that are likely to come soon, then the others. SIGCHLD, SIGPIPE and SIGURG
// are about this process itself. A Go program cannot catch SIGPROF, 32, 33 and 34.
func signalsFor(job bool) (first, others []os.Signal) {
	likely := map[unix.Signal]bool{
		unix.SIGHUP: true, unix.SIGINT: true, unix.SIGQUIT: true, unix.SIGTERM: true, unix.SIGUSR1: true, unix.SIGUSR2: true,
		unix.SIGTSTP: job, unix.SIGTTIN: job, unix.SIGTTOU: job, unix.SIGWINCH: job,
	}
	for sig := unix.Signal(1); sig <= lastSignal; sig++ {
		switch sig {
		case unix.SIGKILL, unix.SIGSTOP, unix.SIGCHLD, unix.SIGPIPE, unix.SIGURG, unix.SIGPROF, 32, 33, 34:
			continue
		}
		switch {
		case signal.Ignored(sig):
		case likely[sig]:
			first = append(first, sig)
		default:
			others = append(others, sig)
		}
	}
	return first, others
}

// lastSignal is the last real-time signal. signal(7)
const lastSignal = 64

// filter decides what each signal is for. Before the command runs, a signal that asks for an end ends this process, and the guard removes
// the half-made container. A signal that stops, stops this process. Other signals wait for the command.
func (s *Signals) filter() {
	for caught := range s.caught {
		sig := caught.(unix.Signal)
		if !s.running() {
			switch sig {
			case unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM:
				os.Exit(128 + int(sig))
			case unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU:
				if IsJob() {
					StopUs()
				}
				continue
			}
		}
		s.Passed <- sig
	}
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
	<-s.all
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
