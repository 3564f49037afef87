//go:build linux

package terminal

import (
	"os"
	"os/signal"
	"sync"

	"golang.org/x/sys/unix"
)

// Signals are what we get for the command. We catch them before there is a command: so no signal is lost, and no signal for the
// command ends us instead.
type Signals struct {
	caught chan os.Signal
	// Passed has the signals for the command.
	Passed chan unix.Signal
	// all is closed when all of them are caught.
	all chan struct{}
	// Job says that we have a terminal, and so are a job of a shell, which can be stopped and continued.
	Job bool

	// mutex is for what follows.
	mutex sync.Mutex
	// socket leads to the process that becomes the command: execve closes its other end. It is -1 until we tell the process to go on.
	socket int
	// runs says that the command runs, or has run.
	runs bool
}

// CatchSignals begins to catch signals. Those that the command has to ignore, as under nohup, stay ignored.
func CatchSignals() *Signals {
	// One of each kind has room.
	s := &Signals{caught: make(chan os.Signal, 64), Passed: make(chan unix.Signal, 64), all: make(chan struct{}), socket: -1}
	if tty, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_CLOEXEC, 0); err == nil {
		unix.Close(tty)
		s.Job = true
	}
	first, others := signalsFor(s.Job)
	signal.Notify(s.caught, first...)
	go s.filter()
	go func() {
		// Each takes the scheduler of Go some ten microseconds. There is time while the container is made.
		signal.Notify(s.caught, others...)
		close(s.all)
	}()
	return s
}

// signalsFor returns the signals that can be caught: first those that are most likely to come soon. SIGCHLD, SIGPIPE and SIGURG tell
// us about ourselves. A Go program cannot catch SIGPROF, 32, 33 and 34.
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

// lastSignal is the last of the real-time signals. signal(7)
const lastSignal = 64

// filter decides about each signal. Before there is a command one that asks for an end ends us, and the guard removes what there is
// of the container. The others wait for the command.
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

// running reports whether the command runs. Our own view of that can be late: somebody who reads what the command prints can know
// before us. But execve has closed the socket by then.
func (s *Signals) running() bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if !s.runs && s.socket != -1 {
		fds := []unix.PollFd{{Fd: int32(s.socket)}}
		_, _ = unix.Poll(fds, 0)
		s.runs = fds[0].Revents&unix.POLLHUP != 0
	}
	return s.runs
}

// Comes says that a process is about to become the command, and then closes the other end of the socket. -1 says that it will not.
func (s *Signals) Comes(socket int) {
	if s == nil {
		return
	}
	<-s.all
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.socket = socket
}

// Begins says that the command runs.
func (s *Signals) Begins() {
	if s == nil {
		return
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.runs = true
}

// IsJob reports whether there may be somebody who continues us when we are stopped: there is nobody for the first process group of a
// session. setsid(2)
func IsJob() bool {
	session, _ := unix.Getsid(0)
	return session != unix.Getpgrp()
}

// StopUs stops this process, until it is continued.
func StopUs() { _ = unix.Tgkill(unix.Getpid(), unix.Gettid(), unix.SIGSTOP) }

// InForeground reports whether we are in the process group that gets what is typed at the terminal. tcgetpgrp(3)
func InForeground() bool {
	tty, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(tty)
	group, err := unix.IoctlGetInt(tty, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
