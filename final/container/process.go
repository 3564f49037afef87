//go:build linux

package container

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"container-workshop/final/cgroup"
	"container-workshop/final/inside"
	"container-workshop/final/rootfs"
	"container-workshop/final/stage"
)

// A Process is one that this process has started in a container: process 1, or one that has joined it.
type Process struct {
	// Terminal is the master of the command's terminal, nil if it has none.
	Terminal *os.File
	List     stage.List

	cmd    *exec.Cmd
	socket inside.Socket
}

func newProcess(explained bool) Process {
	return Process{socket: -1, List: stage.List{Side: "host", Explain: explained}}
}

// start starts this program again, with the other end of a pair of sockets and more descriptors after it.
func (p *Process) start(streams [3]*os.File, attr *unix.SysProcAttr, more ...*os.File) error {
	self, err := rootfs.SealedSelf()
	if err != nil {
		return advised(err)
	}
	defer self.Close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	p.socket = inside.Socket(pair[0])
	theirs := os.NewFile(uintptr(pair[1]), "socket")
	defer theirs.Close()

	p.cmd = exec.Command(fmt.Sprintf("/proc/self/fd/%d", self.Fd()))
	p.cmd.Args = []string{os.Args[0], "inside"}
	// It needs one thread and no garbage collection, and so less time to start.
	p.cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=off")
	p.cmd.ExtraFiles = append([]*os.File{theirs}, more...)
	// A nil file in an interface is not nil.
	if streams[0] != nil {
		p.cmd.Stdin = streams[0]
	}
	if streams[1] != nil {
		p.cmd.Stdout = streams[1]
	}
	if streams[2] != nil {
		p.cmd.Stderr = streams[2]
	}
	// What is typed at our terminal is not for it, unless we pass it on.
	attr.Setsid = true
	p.cmd.SysProcAttr = attr
	return advised(p.cmd.Start())
}

// advised adds what to do about an error of the first calls that only some may make, and only newer kernels know.
func advised(err error) error {
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w (a container needs root with CAP_SYS_ADMIN, which root in another container does not have: run it on the host, or with --privileged there)", err)
	case errors.Is(err, unix.ENOSYS):
		return fmt.Errorf("%w (the kernel is too old: want Linux 5.12 or later)", err)
	}
	return err
}

// startIn starts the program in the cgroup of version 2, where that does not limit it.
func (p *Process) startIn(groups *cgroup.Cgroup, streams [3]*os.File, attr *unix.SysProcAttr, more ...*os.File) error {
	unified, err := groups.Unified()
	if err != nil {
		return err
	}
	if unified != nil {
		defer unified.Close()
		attr.UseCgroupFD, attr.CgroupFD = true, int(unified.Fd())
	}
	return p.start(streams, attr, more...)
}

// answer waits for what the container side has to say. It returns io.EOF if that is nothing.
func (p *Process) answer() (descriptor int, err error) {
	var report inside.Report
	descriptor, err = p.socket.Receive(&report)
	if err != nil {
		return -1, err
	}
	p.List.Records = append(p.List.Records, report.Records...)
	if report.Error != "" {
		return -1, &Failure{report.Status, errors.New(report.Error)}
	}
	return descriptor, nil
}

// waitReady waits until all is done but what comes after our word to go on.
func (p *Process) waitReady() error {
	terminal, err := p.answer()
	if err == io.EOF {
		return errors.New("the first process has ended before its command was started")
	}
	if terminal != -1 {
		p.Terminal = os.NewFile(uintptr(terminal), "terminal")
	}
	return err
}

// goOn gives the word. It returns when the process has become its command.
func (p *Process) goOn() error {
	if err := p.socket.Send(struct{}{}); err != nil {
		return fmt.Errorf("the first process has ended before its command was started: %w", err)
	}
	for {
		// Records come first, if they are asked for.
		if _, err := p.answer(); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
	}
	unix.Close(int(p.socket))
	p.socket = -1
	return nil
}

// abandon ends the process if it has not ended, and waits for it.
func (p *Process) abandon() {
	if p.socket != -1 {
		unix.Close(int(p.socket))
		p.socket = -1
	}
	if p.cmd != nil && p.cmd.Process != nil && p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}
