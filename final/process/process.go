//go:build linux

// Package process runs on the host side. It starts the container side (package inside) as process 1 of a container or as a process that joins
// a container, talks with it until it becomes the command, and waits for its end. Package container draws how the two talk.
package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"container-workshop/final/inside"
	"container-workshop/final/join"
	"container-workshop/final/more/notify"
	"container-workshop/final/namespace"
	"container-workshop/final/stage"
	"container-workshop/final/terminal"
)

// A Process is a process in a container that this process has started: process 1, or a process that has joined the container.
type Process struct {
	// Terminal is that of the command, nil if it has none.
	Terminal *terminal.Terminal
	List     stage.List
	// Socket leads to the process until it becomes the command. It is -1 before and afterwards.
	Socket inside.Socket
	// PID is 0 before the process has started. Pidfd is a descriptor of the process, which stays true when it has ended.
	PID, Pidfd int
	// Unfreeze lets the processes of a container go on, nil for a process that has joined it. See sigkill.
	Unfreeze func()
	// Agent gets the listener of a seccomp filter. It is nil if the filter has none.
	Agent *notify.Agent
	// MapMount maps the IDs of a mount that the process has made, by the index of the mount. Nil if the process makes none.
	MapMount func(i, mount int) error
	// Signals are told when the command begins to run.
	Signals *terminal.Signals
	// Warn is told of what is no failure.
	Warn func(message string)

	// ended is how the process has ended, once it has been waited for.
	ended *unix.WaitStatus
}

// Make returns a process that has not started yet.
func Make(explained bool, warn func(message string)) Process {
	return Process{Socket: -1, Warn: warn, List: stage.List{Side: "host", Explain: explained}}
}

// Start starts this program again, with the other end of a pair of sockets, behind the standard streams and more files.
func (p *Process) Start(namespaces *namespace.Set, streams [3]*os.File, more []*os.File, attr *unix.SysProcAttr) error {
	self, err := program(namespaces)
	if err != nil {
		return advised(err)
	}
	defer self.Close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	p.Socket = inside.Socket(pair[0])
	theirs := os.NewFile(uintptr(pair[1]), "socket")
	defer theirs.Close()

	files := []uintptr{0, 0, 0}
	for i, stream := range streams {
		if err := checkStream(i, stream); err != nil {
			return err
		}
		if stream == nil {
			if stream, err = os.OpenFile("/dev/null", os.O_RDWR, 0); err != nil {
				return err
			}
			defer stream.Close()
		}
		files[i] = stream.Fd()
	}
	for _, file := range more {
		files = append(files, file.Fd())
	}
	files = append(files, theirs.Fd())
	// What is typed at our terminal is not for it, unless we pass it on.
	attr.Setsid = true
	argv := []string{os.Args[0], "inside", strconv.Itoa(len(files) - 1)}
	pid, err := join.Start(namespaces, self, argv, &syscall.ProcAttr{Env: bareEnv(), Files: files, Sys: attr})
	if err != nil {
		return advised(err)
	}
	p.PID = pid
	p.Pidfd, err = unix.PidfdOpen(pid, 0)
	return os.NewSyscallError("pidfd_open", err)
}

// checkStream refuses a directory: from there it is not far to all of the host's files.
func checkStream(number int, stream *os.File) error {
	var stat unix.Stat_t
	if stream == nil || unix.Fstat(int(stream.Fd()), &stat) != nil || stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nil
	}
	return fmt.Errorf("standard stream %d is a directory: use a file, a pipe or a terminal", number)
}

// advised adds what to do about an error of the first calls that only some may make, and only newer kernels know.
func advised(err error) error {
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w (a container needs root with CAP_SYS_ADMIN, which root in another container lacks: run final on the host, or start the other container with --privileged)", err)
	case errors.Is(err, unix.ENOSYS):
		return fmt.Errorf("%w (the kernel is too old: final needs Linux 5.12 or later)", err)
	}
	return err
}

// answer waits for what the container side has to say. It returns io.EOF if that is nothing.
func (p *Process) answer() (report inside.Report, descriptors []int, err error) {
	descriptors, err = p.Socket.Receive(&report)
	if err != nil {
		return report, nil, err
	}
	if report.Map != 0 && p.MapMount != nil && len(descriptors) == 1 {
		err := p.MapMount(report.Map-1, descriptors[0])
		unix.Close(descriptors[0])
		if err == nil {
			err = p.Send(struct{}{})
		}
		if err != nil {
			return report, nil, err
		}
		p.List.Records = append(p.List.Records, report.Records...)
		return p.answer()
	}
	p.List.Records = append(p.List.Records, report.Records...)
	for _, warning := range report.Warnings {
		p.Warn(warning)
	}
	if report.Error != "" {
		return report, nil, &Failure{report.Status, errors.New(report.Error)}
	}
	return report, descriptors, nil
}

// ErrGone is what there is to say of a process that was killed before it could say more.
var ErrGone = errors.New("the container's first process ended before it could start the command")

// Send sends a message to the container side.
func (p *Process) Send(message any, descriptors ...int) error {
	err := p.Socket.Send(message, descriptors...)
	if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
		return ErrGone
	}
	return err
}

// WaitMounted waits until all is mounted.
func (p *Process) WaitMounted() error {
	report, _, err := p.answer()
	if err == io.EOF || err == nil && !report.Mounted {
		return ErrGone
	}
	return err
}

// WaitReady waits until all is done but what comes after our word to go on.
func (p *Process) WaitReady() error {
	_, descriptors, err := p.answer()
	if err == io.EOF {
		return ErrGone
	}
	if err == nil && len(descriptors) > 0 {
		p.Terminal, err = terminal.Open(descriptors[0], p.Pidfd)
	}
	return err
}

// GoOn gives the word. It returns when the process has become its command, or waits for Start.
func (p *Process) GoOn() error {
	p.Signals.Expect(p.Socket.Closed)
	if err := p.Send(struct{}{}); err != nil {
		return err
	}
	_, err := p.Follow()
	return err
}

// Follow deals with what is reported until the process has become its command, waits for Start, or has ended. It reports whether
// hooks have been run on the way.
func (p *Process) Follow() (hooked bool, err error) {
	for {
		// Records come first, if they are asked for.
		report, _, err := p.answer()
		if err == io.EOF {
			p.List.Over()
			p.Signals.Expect(func() bool { return true })
			p.close()
			return hooked, nil
		}
		if err == nil && report.Listener != 0 {
			err = p.notify(report.Listener)
		}
		if err != nil {
			return hooked, err
		}
		hooked = hooked || report.Hooked
	}
}

// notify sends the listener of the filter to its agent, and gives the process its word.
func (p *Process) notify(number int) error {
	if p.Agent == nil {
		return errors.New("linux.seccomp: the filter has a listener, but there is no agent: set listenerPath")
	}
	if err := p.Agent.Send(p.Pidfd, p.PID, number); err != nil {
		return err
	}
	return p.Send(struct{}{})
}

// Kill ends the process if it has not ended, and waits for it.
func (p *Process) Kill() {
	// Before it can see that the socket is closed, and say so.
	if p.PID != 0 && p.ended == nil {
		p.sigkill()
		p.wait()
	}
	p.HangUp()
}

// HangUp closes the socket, if that has not happened.
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

// signal sends a signal to the process. If it has ended nothing happens.
func (p *Process) signal(sig unix.Signal) {
	_ = unix.PidfdSendSignal(p.Pidfd, sig, nil, 0)
}

// sigkill ends the process. A container that is paused, or has frozen what process 1 waits for at its end, cannot hold us up by that.
func (p *Process) sigkill() {
	p.signal(unix.SIGKILL)
	if p.Unfreeze != nil {
		p.Unfreeze()
	}
}

// wait waits for the end of the process. Its descriptor tells of nothing else, whereas wait(2) would tell of each stop of one
// that has asked us to trace it.
func (p *Process) wait() {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(p.Pidfd), Events: unix.POLLIN}}, -1)
		if n > 0 || err != nil && err != unix.EINTR {
			break
		}
	}
	var status unix.WaitStatus
	for {
		if _, err := unix.Wait4(p.PID, &status, 0, nil); err != unix.EINTR {
			break
		}
	}
	p.ended = &status
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
