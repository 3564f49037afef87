//go:build linux

package calls

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Environment is that of all processes that make the calls of a list. Only tests set it: a container may see it.
var Environment = []string{}

// Start starts a process that makes the calls of the list, and returns its PID. The files get the numbers from 0 on there.
func (l *List) Start(files []*os.File, attr *syscall.SysProcAttr) (pid int, err error) {
	image, err := l.Image()
	if err != nil {
		return 0, err
	}
	defer image.Close()
	descriptors := make([]uintptr, len(files))
	above := len(files)
	for i, file := range files {
		descriptors[i] = file.Fd()
		above = max(above, int(descriptors[i]))
	}
	// The child moves the files to their numbers, some of them by way of numbers above all of theirs. The image needs a higher one.
	high, err := unix.FcntlInt(image.Fd(), unix.F_DUPFD_CLOEXEC, above+len(files)+1)
	if err != nil {
		return 0, os.NewSyscallError("fcntl", err)
	}
	defer unix.Close(high)
	pid, err = syscall.ForkExec(fmt.Sprintf("/proc/self/fd/%d", high), []string{l.side}, &syscall.ProcAttr{Env: Environment, Files: descriptors, Sys: attr})
	if errors.Is(err, unix.ENOENT) {
		err = errors.New("/proc is not mounted: mount -t proc proc /proc")
	}
	return pid, err
}

// Execute makes the calls of the list in this process, in place of the program that runs in it. The process keeps its PID, its children,
// and the descriptors that stay open at execve. Execute returns only if it fails.
func (l *List) Execute(args []string) error {
	image, err := l.Image()
	if err != nil {
		return err
	}
	defer image.Close()
	return os.NewSyscallError("execve", syscall.Exec(fmt.Sprintf("/proc/self/fd/%d", image.Fd()), args, Environment))
}
