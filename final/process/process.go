//go:build linux

// Package process runs on the host side, in the final that you started and in the host's namespaces. It starts process 1 of a container, or a
// process that joins a container, from a list of system calls (package become), talks with the process until it becomes the command, and
// waits for its end. Package container draws how the two talk.
package process

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"container-workshop/final/become"
	"container-workshop/final/more/notify"
	"container-workshop/final/stage"
	"container-workshop/final/terminal"
)

// A Process is a process in a container that this process has started: process 1, or a process that has joined the container.
type Process struct {
	// Terminal is the terminal of the command. Nil if the command has none.
	Terminal *terminal.Terminal
	List     stage.List
	// Program is the list of the process. It is nil for process 1 of a created container, which an earlier final has started. Then Late has
	// the error texts for the last calls.
	Program *become.Program
	Late    []become.Late
	// Socket leads to the process until it becomes the command. It is -1 before and afterwards.
	Socket Socket
	// PID is 0 before the process has started. Pidfd is a descriptor of the process. Unlike the PID, it never means another process later.
	PID, Pidfd int
	// Into is a cgroup of version 2. If it is set, the clone puts the process there. Start clears Into if the kernel refuses this: then the
	// process has to join the cgroup.
	Into *os.File
	// Unfreeze lets the processes of a container go on, nil for a process that has joined it. See sigkill.
	Unfreeze func()
	// Agent gets the listener of a seccomp filter. It is nil if the filter has none.
	Agent *notify.Agent
	// Hooks runs the startContainer hooks. It is nil if there are none.
	Hooks func() error
	// Signals learn from us when the command begins to run.
	Signals *terminal.Signals
	// Warn gets warnings.
	Warn func(message string)

	// times are the times of the stages, as far as the process has sent them.
	times []byte
	// ended is the status of the process, after wait.
	ended *unix.WaitStatus
}

// Make returns a process that has not started yet.
func Make(explained bool, warn func(message string)) Process {
	return Process{Socket: -1, Pidfd: -1, Warn: warn, List: stage.List{Side: "host", Explain: explained}}
}

// ErrGone is the error for a process that has ended without a report, because somebody has killed it.
var ErrGone = errors.New("the container's first process ended before it could start the command")

// Kill ends the process if it has not ended, and waits for it.
func (p *Process) Kill() {
	// Kill first: otherwise the process would notice that the socket is closed, and report a failure.
	if p.PID != 0 && p.ended == nil {
		p.sigkill()
		p.wait()
	}
	p.HangUp()
}

// HangUp closes the socket, if the socket is open.
func (p *Process) HangUp() {
	if p.Socket != -1 {
		p.Signals.Expect(nil)
		p.close()
	}
}

func (p *Process) close() {
	unix.Close(int(p.Socket))
	p.Socket = -1
}

// signal sends a signal to the process. If the process has ended, nothing happens.
func (p *Process) signal(sig unix.Signal) {
	_ = unix.PidfdSendSignal(p.Pidfd, sig, nil, 0)
}

// sigkill ends the process, even in a paused container. A frozen process does not end, nor does process 1 as long as another process in its
// PID namespace is frozen.
func (p *Process) sigkill() {
	p.signal(unix.SIGKILL)
	if p.Unfreeze != nil {
		p.Unfreeze()
	}
}

// SendTerminal sends the master of the terminal to who listens at a socket, and gives it up. unix(7), SCM_RIGHTS
func (p *Process) SendTerminal(socket string) error {
	defer func() {
		p.Terminal.Close()
		p.Terminal = nil
	}()
	return notify.SendTo(socket, []byte("/dev/ptmx"), int(p.Terminal.Master.Fd()))
}

// SendPidfd sends a descriptor of the process to who listens at a socket. pidfd_open(2)
func (p *Process) SendPidfd(socket string) error {
	return notify.SendTo(socket, []byte("pidfd"), p.Pidfd)
}

// checkStream refuses a directory as a standard stream: from a directory the command could walk to all of the host's files.
func checkStream(number int, stream *os.File) error {
	var stat unix.Stat_t
	if stream == nil || unix.Fstat(int(stream.Fd()), &stat) != nil || stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nil
	}
	return fmt.Errorf("standard stream %d is a directory: use a file, a pipe or a terminal", number)
}
