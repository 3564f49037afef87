//go:build linux

package join

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fork makes the first child. It returns in this process only.
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

// first is the way of the first child, and ends with its exit.
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
	// This child is still in the PID namespace of the host side, so the host side can use the PID.
	b.say(word{Pid: int32(pid)})
	b.exit()
}

// newTime makes a time namespace for the second child. The clocks of a time namespace can only be set while no process is in it.
// time_namespaces(7)
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

// second is the way of the second child. It ends with execve of the program, or with exit.
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
		// This fails in a user namespace that denies setgroups, which is no error. user_namespaces(7)
		syscall.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0)
		if _, _, errno := syscall.RawSyscall(unix.SYS_SETRESGID, 0, 0, 0); errno != 0 {
			b.end(stepUser, errno)
		}
		if _, _, errno := syscall.RawSyscall(unix.SYS_SETRESUID, 0, 0, 0); errno != 0 {
			b.end(stepUser, errno)
		}
	}
	syscall.RawSyscall(unix.SYS_SETSID, 0, 0, 0)
	if b.deathSignal != 0 {
		syscall.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, b.deathSignal, 0)
	}
	// Move the pipe to a number above those of the files. The copy closes at execve.
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

// end reports the step that failed, and exits.
//
//go:noinline
//go:norace
//go:nosplit
func (b *birth) end(at step, errno syscall.Errno) {
	b.say(word{Errno: int32(errno), Step: at})
	b.exit()
}

// say sends a word to the host side.
//
//go:noinline
//go:norace
//go:nosplit
func (b *birth) say(w word) {
	syscall.RawSyscall(unix.SYS_WRITE, b.report, uintptr(unsafe.Pointer(&w)), unsafe.Sizeof(w))
}

// exit ends the child. Nobody reads its exit status.
//
//go:noinline
//go:norace
//go:nosplit
func (b *birth) exit() {
	for {
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, 253, 0, 0)
	}
}
