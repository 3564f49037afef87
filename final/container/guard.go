//go:build linux

package container

import (
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Guard is a process that cleans up after us if we are killed, which no process can do itself: it waits until our end of a
// pipe is closed. If that is without a word, it puts the terminal back as it was and becomes "delete --maker PID ID".
//
// Who starts it: run, by clone without execve, so it is a copy of us with one thread: early, as long as there is little to copy.
// Where it is: on the host, in a session of its own, so that no key and no signal to our process group ends it too.
// How it ends: at our word, or with delete.
type Guard struct {
	pid  int
	pipe int

	// What the copy needs is made before, as it can only make system calls.
	read, write uintptr
	path        *byte
	args, env   []*byte
	terminal    uintptr
	settings    *unix.Termios
	all, old    [1]uint64
	// id is that of the container, once it is known, and ends with a zero. length is what has been read of it.
	id     [idSpace]byte
	length uintptr
}

// idSpace holds the longest ID, a zero, and the word that ends the guard.
const idSpace = 258

// StartGuard starts a guard. It restores the terminal, and removes the container of which it is told with Watch.
func StartGuard(root string, console *Console) (*Guard, error) {
	args := []string{"--root", root, "delete", "--maker", strconv.Itoa(os.Getpid())}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("pipe", err)
	}
	g := &Guard{pipe: pipe[1], read: uintptr(pipe[0]), write: uintptr(pipe[1]), terminal: console.In.Fd(), settings: console.settings}
	g.all[0] = ^uint64(0)
	var err error
	if g.path, err = unix.BytePtrFromString("/proc/self/exe"); err != nil {
		return nil, err
	}
	for _, s := range append([]string{os.Args[0]}, args...) {
		p, err := unix.BytePtrFromString(s)
		if err != nil {
			return nil, err
		}
		g.args = append(g.args, p)
	}
	g.args = append(g.args, &g.id[0])
	for _, s := range os.Environ() {
		if p, err := unix.BytePtrFromString(s); err == nil {
			g.env = append(g.env, p)
		}
	}
	g.args, g.env = append(g.args, nil), append(g.env, nil)
	pid, errno := fork(g)
	unix.Close(pipe[0])
	if errno != 0 {
		unix.Close(pipe[1])
		return nil, os.NewSyscallError("clone", errno)
	}
	g.pid = pid
	return g, nil
}

// fork makes the copy. In it nothing of Go works but raw system calls: the scheduler, the garbage collector and the handlers of
// signals are gone with the other threads. So there is no allocation in it, no growth of the stack and no signal.
//
//go:noinline
//go:norace
//go:nocheckptr
func fork(g *Guard) (int, unix.Errno) {
	unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&g.all)), uintptr(unsafe.Pointer(&g.old)), 8, 0, 0)
	pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if pid != 0 || errno != 0 {
		unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&g.old)), 0, 8, 0, 0)
		return int(pid), errno
	}
	unix.RawSyscall(unix.SYS_SETSID, 0, 0, 0)
	// The standard streams and the pipe are all that is kept.
	unix.RawSyscall(unix.SYS_CLOSE, g.write, 0, 0)
	unix.RawSyscall(unix.SYS_CLOSE_RANGE, g.read+1, 1<<32-1, 0)
	for g.length < idSpace-1 {
		n, _, errno := unix.RawSyscall(unix.SYS_READ, g.read, uintptr(unsafe.Pointer(&g.id[g.length])), idSpace-1-g.length)
		if errno != 0 || n == 0 {
			break
		}
		g.length += n
		if g.id[g.length-1] == dismissed {
			unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		}
	}
	if g.settings != nil {
		unix.RawSyscall(unix.SYS_IOCTL, g.terminal, unix.TCSETS, uintptr(unsafe.Pointer(g.settings)))
	}
	if g.length == 0 {
		unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
	// The command is to hear of signals again.
	unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&g.old)), 0, 8, 0, 0)
	unix.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(g.path)), uintptr(unsafe.Pointer(&g.args[0])), uintptr(unsafe.Pointer(&g.env[0])))
	unix.RawSyscall(unix.SYS_EXIT_GROUP, 1, 0, 0)
	return 0, 0
}

// dismissed is the word that all is done. It is in no ID.
const dismissed = '\n'

// Watch tells the guard of the container that is about to be made.
func (g *Guard) Watch(id string) error {
	if _, err := unix.Write(g.pipe, []byte(id)); err != nil {
		return os.NewSyscallError("write", err)
	}
	return nil
}

// Dismiss tells the guard that all is done, and waits for its end.
func (g *Guard) Dismiss() {
	_, _ = unix.Write(g.pipe, []byte{dismissed})
	unix.Close(g.pipe)
	for {
		if _, err := unix.Wait4(g.pid, nil, 0, nil); err != unix.EINTR {
			return
		}
	}
}
