//go:build linux

package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"container-workshop/final/namespace"
	"container-workshop/final/rootfs"
)

// program returns this program, to be started in namespaces. A process that is in a user namespace already may have all capabilities
// there, and must not look into a process that joins it.
func program(namespaces *namespace.Set) (*os.File, error) {
	if namespaces.User {
		return hiddenSelf()
	}
	return sealedSelf()
}

// sealedSelf returns an open file that is this program, which nobody can write to by way of it, not even when the program
// has ended, as its mount is read-only and in no namespace. So what runs in a container cannot change the program on the
// host by /proc/PID/exe. CVE-2019-5736
func sealedSelf() (*os.File, error) {
	fd, err := rootfs.Clone("/proc/self/exe", false)
	if errors.Is(err, unix.EINVAL) && isSealed() {
		// We are on such a mount already. As it is in no namespace, it cannot be cloned.
		fd, err = unix.Open("/proc/self/exe", unix.O_PATH|unix.O_CLOEXEC, 0)
		return os.NewFile(uintptr(fd), "this program"), os.NewSyscallError("open", err)
	}
	if errors.Is(err, unix.ENOENT) {
		err = fmt.Errorf("%w (/proc is not mounted: mount -t proc proc /proc)", err)
	}
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "this program")
	if err := rootfs.Change(fd, unix.MOUNT_ATTR_RDONLY, 0, 0, false); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// hiddenSelf returns an open file that is a copy of this program. Only the host's root may read the copy; everybody may execute
// it. A process whose program it may not read itself can only be looked into with CAP_SYS_PTRACE on the host: having that
// capability in a user namespace is not enough. The copy is in memory, on a read-only mount that is in no namespace. ptrace(2),
// "Ptrace access mode checking"
func hiddenSelf() (*os.File, error) {
	const name, executeOnly = "program", 0o111
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	defer self.Close()
	mount, err := rootfs.MakeFilesystem("tmpfs", "", nil, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	if err != nil {
		return nil, err
	}
	defer unix.Close(mount)
	fd, err := unix.Openat(mount, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, executeOnly)
	if err != nil {
		return nil, fmt.Errorf("copy this program: %w", err)
	}
	hidden := os.NewFile(uintptr(fd), "a copy of this program")
	_, err = io.Copy(hidden, self)
	// What is open for writing cannot be executed.
	if err := errors.Join(err, hidden.Close()); err != nil {
		return nil, fmt.Errorf("copy this program: %w", err)
	}
	if err := rootfs.Change(mount, unix.MOUNT_ATTR_RDONLY, 0, 0, false); err != nil {
		return nil, err
	}
	fd, err = unix.Openat(mount, name, unix.O_PATH|unix.O_CLOEXEC, 0)
	return os.NewFile(uintptr(fd), hidden.Name()), os.NewSyscallError("open", err)
}

// isSealed reports whether this process executes the program from a read-only mount already.
func isSealed() bool {
	var fs unix.Statfs_t
	return unix.Statfs("/proc/self/exe", &fs) == nil && fs.Flags&unix.ST_RDONLY != 0
}

// StartSealed starts this program again: from a read-only mount of it, and with those variables of its environment alone that have one of
// the names. Between clone and execve our child is a process that the container sees, and still this program, with all of its
// memory. With CAP_SYS_PTRACE the container could open the program there, and write to it as soon as nobody executes it; and it
// could read the environment of the caller. It keeps some descriptors. CVE-2019-5736
func StartSealed(keep []int, names []string) error {
	env := only(slices.Concat(names, Passed))
	if isSealed() && len(env) == len(os.Environ()) {
		return nil
	}
	for _, fd := range keep {
		// One that is not open is told of later.
		_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0)
	}
	self, err := sealedSelf()
	if err != nil {
		return err
	}
	defer self.Close()
	return fmt.Errorf("start this program again: %w", unix.Exec(fmt.Sprintf("/proc/self/fd/%d", self.Fd()), os.Args, env))
}

// Passed names variables of the caller that every process of ours gets. Only tests set it.
var Passed []string

// small makes a Go program small: it has one thread at work and no garbage collection, and so takes less time to start.
var small = []string{"GOMAXPROCS=1", "GOGC=off", "GOMEMLIMIT=off"}

// bareEnv is the environment of what a container may see: nothing in it is the caller's. The kernel keeps the environment that a
// process was started with in its memory, whatever the process does. proc_pid_environ(5)
func bareEnv() []string { return append(slices.Clone(small), only(Passed)...) }

// SmallEnv is our environment, but for what makes a Go program small. The first of two variables of a name would count.
func SmallEnv() []string {
	env := slices.Clone(small)
	for _, variable := range os.Environ() {
		if !isSmall(variable) {
			env = append(env, variable)
		}
	}
	return env
}

// UnsetSmall takes out of our environment what makes a Go program small: it would slow down the programs that get this environment.
func UnsetSmall() {
	for _, variable := range small {
		os.Unsetenv(nameOf(variable))
	}
}

// isSmall reports whether a variable is one that SmallEnv sets, or that changes what these do.
func isSmall(variable string) bool {
	return slices.Contains([]string{"GOMAXPROCS", "GOGC", "GOMEMLIMIT", "GODEBUG"}, nameOf(variable))
}

// only returns the variables of our environment that have one of the names.
func only(names []string) []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool { return !slices.Contains(names, nameOf(variable)) })
}

func nameOf(variable string) string {
	name, _, _ := strings.Cut(variable, "=")
	return name
}
