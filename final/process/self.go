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

// program opens this program, for a start in namespaces. In an existing user namespace, a process of the container may have all
// capabilities, and must not look into a process that joins it: so the program is hidden there.
func program(namespaces *namespace.Set) (*os.File, error) {
	if namespaces.User {
		return hiddenSelf()
	}
	return sealedSelf()
}

// sealedSelf opens this program in such a way that nobody can write to it through the descriptor, not even after the program has ended: the
// mount is read-only, and in no mount namespace. So a command cannot change the program on the host by /proc/PID/exe. CVE-2019-5736
func sealedSelf() (*os.File, error) {
	fd, err := rootfs.Clone("/proc/self/exe", false)
	if errors.Is(err, unix.EINVAL) && isSealed() {
		// This process runs from such a mount already. A mount in no mount namespace cannot be cloned.
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

// hiddenSelf opens a copy of this program, which everybody may execute and only the host's root may read. If a process may not read its own
// program, nobody can look into it without CAP_SYS_PTRACE on the host: the same capability in a user namespace is not enough. The copy is
// in memory, on a read-only mount in no mount namespace. ptrace(2), "Ptrace access mode checking"
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
	// Nobody can execute a file that is open for writing.
	if err := errors.Join(err, hidden.Close()); err != nil {
		return nil, fmt.Errorf("copy this program: %w", err)
	}
	if err := rootfs.Change(mount, unix.MOUNT_ATTR_RDONLY, 0, 0, false); err != nil {
		return nil, err
	}
	fd, err = unix.Openat(mount, name, unix.O_PATH|unix.O_CLOEXEC, 0)
	return os.NewFile(uintptr(fd), hidden.Name()), os.NewSyscallError("open", err)
}

// isSealed reports whether this process runs from a read-only mount.
func isSealed() bool {
	var fs unix.Statfs_t
	return unix.Statfs("/proc/self/exe", &fs) == nil && fs.Flags&unix.ST_RDONLY != 0
}

// StartSealed starts this program again, from a read-only mount, with only the variables that have one of the names, and with some
// descriptors. A process that joins a container is still this program between clone and execve, with all of its memory, and the container
// can see it. With CAP_SYS_PTRACE the container could open the program there and write to it as soon as nobody executes it, or read the
// environment of the caller. CVE-2019-5736
func StartSealed(keep []int, names []string) error {
	env := only(slices.Concat(names, Passed))
	if isSealed() && len(env) == len(os.Environ()) {
		return nil
	}
	for _, fd := range keep {
		// If a descriptor is not open, a later error says so.
		_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0)
	}
	self, err := sealedSelf()
	if err != nil {
		return err
	}
	defer self.Close()
	return fmt.Errorf("start this program again: %w", unix.Exec(fmt.Sprintf("/proc/self/fd/%d", self.Fd()), os.Args, env))
}

// Passed names variables that every process of final gets from its caller. Only tests set it.
var Passed []string

// small makes a Go program start sooner: it gets one thread at work and no garbage collection.
var small = []string{"GOMAXPROCS=1", "GOGC=off", "GOMEMLIMIT=off"}

// bareEnv is the environment of a process that a container may see: it has nothing of the caller's. The kernel keeps the environment with
// which a process started, whatever the process does later. proc_pid_environ(5)
func bareEnv() []string { return append(slices.Clone(small), only(Passed)...) }

// SmallEnv is our environment, with the variables that make a Go program small in place of our own.
func SmallEnv() []string {
	env := slices.Clone(small)
	for _, variable := range os.Environ() {
		if !isSmall(variable) {
			env = append(env, variable)
		}
	}
	return env
}

// UnsetSmall removes the variables that make a Go program small from our environment: they would slow down the programs that inherit it.
func UnsetSmall() {
	for _, variable := range small {
		os.Unsetenv(nameOf(variable))
	}
}

// isSmall reports whether SmallEnv sets a variable, or one that the variable has an influence on.
func isSmall(variable string) bool {
	return slices.Contains([]string{"GOMAXPROCS", "GOGC", "GOMEMLIMIT", "GODEBUG"}, nameOf(variable))
}

// only returns our variables that have one of the names.
func only(names []string) []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool { return !slices.Contains(names, nameOf(variable)) })
}

func nameOf(variable string) string {
	name, _, _ := strings.Cut(variable, "=")
	return name
}
