//go:build linux

package namespace

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The runtime of Go lets nobody else fork: these are what package syscall calls around it. They block signals, and set those of
// the child back to what they were before this program started.
//
//go:linkname beforeFork syscall.runtime_BeforeFork
func beforeFork()

//go:linkname afterFork syscall.runtime_AfterFork
func afterFork()

//go:linkname afterForkInChild syscall.runtime_AfterForkInChild
func afterForkInChild()

// A birth is all that a child needs between fork and execve, prepared before: a child of fork has one thread of the many that Go
// counts on, so it may make raw system calls and do nothing else. That it has one thread only is what it is forked for.
type birth struct {
	join     []handle
	fds      []uintptr
	files    []uintptr
	flags    uintptr
	deathSig uintptr
	setsid   bool
	user     bool
	pipe     uintptr
	path     *byte
	argv     **byte
	env      **byte
}

// A word is what the child says: its number, if it is the second one, or else what failed, and why.
type word struct {
	Pid, Errno int32
}

// forkAlone is what syscall.ForkExec does, for a child that joins namespaces before. Setns lets into a user namespace, or one of
// time, only a process of one thread: so it is no Go program yet that does it, but what fork leaves of one. If it is to be in new
// namespaces as well, of which some begin with the next child, that child makes another one, which is ours too. setns(2), clone(2)
func forkAlone(path string, argv []string, attr *syscall.ProcAttr, join []handle) (int, error) {
	b, err := newBirth(path, argv, attr, join)
	if err != nil {
		return 0, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer read.Close()
	b.pipe = write.Fd()
	syscall.ForkLock.Lock()
	pid, errno := b.fork()
	syscall.ForkLock.Unlock()
	write.Close()
	for _, fd := range b.files {
		unix.Close(int(fd))
	}
	runtime.KeepAlive(join)
	if errno != 0 {
		return 0, fmt.Errorf("fork: %w", errno)
	}
	return b.await(pid, read)
}

// newBirth makes copies of the files out of the way of the numbers that they get in the child.
func newBirth(path string, argv []string, attr *syscall.ProcAttr, join []handle) (b *birth, err error) {
	b = &birth{join: join, flags: attr.Sys.Cloneflags, deathSig: uintptr(attr.Sys.Pdeathsig), setsid: attr.Sys.Setsid}
	for _, h := range join {
		b.fds = append(b.fds, h.file.Fd())
		b.user = b.user || h.flags == unix.CLONE_NEWUSER
	}
	if b.path, err = unix.BytePtrFromString(path); err != nil {
		return nil, err
	}
	for _, list := range []struct {
		to      ***byte
		strings []string
	}{{&b.argv, argv}, {&b.env, attr.Env}} {
		pointers, err := syscall.SlicePtrFromStrings(list.strings)
		if err != nil {
			return nil, err
		}
		*list.to = &pointers[0]
	}
	for _, fd := range attr.Files {
		high, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, len(attr.Files))
		if err != nil {
			return nil, os.NewSyscallError("fcntl", err)
		}
		b.files = append(b.files, uintptr(high))
	}
	return b, nil
}

// fork returns in the parent only.
//
//go:noinline
//go:norace
//go:nosplit
func (b *birth) fork() (pid uintptr, errno syscall.Errno) {
	beforeFork()
	pid, _, errno = syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 || pid != 0 {
		afterFork()
		return pid, errno
	}
	afterForkInChild()
	b.child()
	return 0, 0
}

// child runs in the child, to its execve or its end.
//
//go:noinline
//go:norace
//go:nosplit
func (b *birth) child() {
	for i := range b.fds {
		if _, _, errno := syscall.RawSyscall(unix.SYS_SETNS, b.fds[i], b.join[i].flags, 0); errno != 0 {
			b.end(errno)
		}
	}
	if b.user {
		// It may not be allowed to have no groups. user_namespaces(7)
		syscall.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0)
		if _, _, errno := syscall.RawSyscall(unix.SYS_SETRESGID, 0, 0, 0); errno != 0 {
			b.end(errno)
		}
		if _, _, errno := syscall.RawSyscall(unix.SYS_SETRESUID, 0, 0, 0); errno != 0 {
			b.end(errno)
		}
	}
	if b.flags != 0 {
		pid, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, b.flags|unix.CLONE_PARENT|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
		if errno != 0 {
			b.end(errno)
		}
		if pid != 0 {
			w := word{Pid: int32(pid)}
			syscall.RawSyscall(unix.SYS_WRITE, b.pipe, uintptr(unsafe.Pointer(&w)), unsafe.Sizeof(w))
			for {
				syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
			}
		}
	}
	b.become()
}

// become takes the rest of the way to the program.
//
//go:noinline
//go:norace
//go:nosplit
func (b *birth) become() {
	if b.setsid {
		syscall.RawSyscall(unix.SYS_SETSID, 0, 0, 0)
	}
	if b.deathSig != 0 {
		syscall.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, b.deathSig, 0)
	}
	// The pipe comes first, out of the way: it closes itself at execve.
	pipe, _, errno := syscall.RawSyscall(unix.SYS_FCNTL, b.pipe, unix.F_DUPFD_CLOEXEC, uintptr(len(b.files)))
	if errno != 0 {
		b.end(errno)
	}
	b.pipe = pipe
	for i := range b.files {
		if _, _, errno := syscall.RawSyscall(unix.SYS_DUP3, b.files[i], uintptr(i), 0); errno != 0 {
			b.end(errno)
		}
	}
	_, _, errno = syscall.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(b.path)), uintptr(unsafe.Pointer(b.argv)), uintptr(unsafe.Pointer(b.env)))
	b.end(errno)
}

// end says why.
//
//go:noinline
//go:norace
//go:nosplit
func (b *birth) end(errno syscall.Errno) {
	w := word{Errno: int32(errno)}
	syscall.RawSyscall(unix.SYS_WRITE, b.pipe, uintptr(unsafe.Pointer(&w)), unsafe.Sizeof(w))
	for {
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, 253, 0, 0)
	}
}

// await reads what the child says, until it has become its program, and returns the number of that.
func (b *birth) await(pid uintptr, pipe io.Reader) (int, error) {
	child := int(pid)
	for {
		var w word
		err := binary.Read(pipe, binary.NativeEndian, &w)
		if errors.Is(err, io.EOF) {
			return child, nil
		}
		if err == nil && w.Pid != 0 {
			// The first child has done what it was for.
			reap(child)
			child = int(w.Pid)
			continue
		}
		reap(child)
		if err == nil {
			err = syscall.Errno(w.Errno)
		}
		return 0, fmt.Errorf("start a process in namespaces that are there: %w", err)
	}
}

func reap(pid int) {
	for {
		if _, err := unix.Wait4(pid, nil, 0, nil); err != unix.EINTR {
			return
		}
	}
}
