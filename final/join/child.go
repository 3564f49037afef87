//go:build linux

package join

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

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
	b.first()
	return 0, 0
}

// first is the way of the first child, which does not return from it.
//
//go:noinline
//go:norace
//go:nosplit
func (b *birth) first() {
	syscall.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0, 0)
	if b.offsetsFile != nil {
		b.newTime()
	}
	for i := range b.join {
		if _, _, errno := syscall.RawSyscall(unix.SYS_SETNS, b.join[i].fd, b.join[i].flags, 0); errno != 0 {
			b.end(stepJoin, errno)
		}
	}
	pid, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, b.flags, 0, 0, 0, 0, 0)
	if errno != 0 {
		b.end(stepClone, errno)
	}
	if pid == 0 {
		b.second()
	}
	// The number is one of our PID namespace, which is the host side's.
	b.say(word{Pid: int32(pid)})
	b.exit()
}

// newTime makes a time namespace for the second child, and sets its clocks before that is there. time_namespaces(7)
//
//go:noinline
//go:norace
//go:nosplit
func (b *birth) newTime() {
	if _, _, errno := syscall.RawSyscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME, 0, 0); errno != 0 {
		b.end(stepTime, errno)
	}
	if len(b.offsets) == 0 {
		return
	}
	here := unix.AT_FDCWD
	file, _, errno := syscall.RawSyscall6(unix.SYS_OPENAT, uintptr(here), uintptr(unsafe.Pointer(b.offsetsFile)), unix.O_WRONLY|unix.O_CLOEXEC, 0, 0, 0)
	if errno != 0 {
		b.end(stepTime, errno)
	}
	if _, _, errno := syscall.RawSyscall(unix.SYS_WRITE, file, uintptr(unsafe.Pointer(&b.offsets[0])), uintptr(len(b.offsets))); errno != 0 {
		b.end(stepTime, errno)
	}
}

// second is the way of the second child to the program.
//
//go:noinline
//go:norace
//go:nosplit
func (b *birth) second() {
	var goOn byte
	if n, _, _ := syscall.RawSyscall(unix.SYS_READ, b.goOn, uintptr(unsafe.Pointer(&goOn)), 1); n != 1 {
		b.exit()
	}
	if b.user {
		// It may not be allowed to have no groups. user_namespaces(7)
		syscall.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0)
		if _, _, errno := syscall.RawSyscall(unix.SYS_SETRESGID, 0, 0, 0); errno != 0 {
			b.end(stepUser, errno)
		}
		if _, _, errno := syscall.RawSyscall(unix.SYS_SETRESUID, 0, 0, 0); errno != 0 {
			b.end(stepUser, errno)
		}
	}
	syscall.RawSyscall(unix.SYS_SETSID, 0, 0, 0)
	// Go has raised it for us. What cannot be set stays.
	syscall.RawSyscall6(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, uintptr(unsafe.Pointer(&b.openFiles)), 0, 0, 0)
	if b.deathSignal != 0 {
		syscall.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, b.deathSignal, 0)
	}
	// The pipe comes first, out of the way of the files. It closes itself at execve.
	report, _, errno := syscall.RawSyscall(unix.SYS_FCNTL, b.report, unix.F_DUPFD_CLOEXEC, uintptr(len(b.files)))
	if errno != 0 {
		b.end(stepExec, errno)
	}
	b.report = report
	for i := range b.files {
		if _, _, errno := syscall.RawSyscall(unix.SYS_DUP3, b.files[i], uintptr(i), 0); errno != 0 {
			b.end(stepExec, errno)
		}
	}
	_, _, errno = syscall.RawSyscall6(unix.SYS_EXECVEAT, b.program, uintptr(unsafe.Pointer(b.empty)),
		uintptr(unsafe.Pointer(b.argv)), uintptr(unsafe.Pointer(b.env)), unix.AT_EMPTY_PATH, 0)
	b.end(stepExec, errno)
}

// end says why, and is the end.
//
//go:noinline
//go:norace
//go:nosplit
func (b *birth) end(at step, errno syscall.Errno) {
	b.say(word{Errno: int32(errno), Step: at})
	b.exit()
}

//go:noinline
//go:norace
//go:nosplit
func (b *birth) say(w word) {
	syscall.RawSyscall(unix.SYS_WRITE, b.report, uintptr(unsafe.Pointer(&w)), unsafe.Sizeof(w))
}

//go:noinline
//go:norace
//go:nosplit
func (b *birth) exit() {
	for {
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, 253, 0, 0)
	}
}
