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

// Sealed opens this program for --init, the only case in which a container executes final. The descriptor is on a read-only mount that is in
// no mount namespace, so no command can write to the program on the host by /proc/PID/exe, not even when final has ended. CVE-2019-5736
func Sealed() (*os.File, error) {
	fd, err := rootfs.Clone("/proc/self/exe", false)
	if errors.Is(err, unix.EINVAL) && isSealed() {
		// This process runs from such a mount already. A mount in no mount namespace cannot be cloned.
		fd, err = unix.Open("/proc/self/exe", unix.O_PATH|unix.O_CLOEXEC, 0)
		return os.NewFile(uintptr(fd), "this program"), os.NewSyscallError("open", err)
	}
	if errors.Is(err, unix.EINVAL) && namespace.Nested() {
		// final has started in another mount namespace, and its file is on a mount there.
		return copyOfSelf()
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

// copyOfSelf copies this program to a file in memory that nobody can change. memfd_create(2)
func copyOfSelf() (*os.File, error) {
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	defer from.Close()
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate("final", flags|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) {
		// Linux before 6.3 does not know MFD_EXEC.
		fd, err = unix.MemfdCreate("final", flags)
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	file := os.NewFile(uintptr(fd), "this program")
	if _, err = io.Copy(file, from); err == nil {
		_, err = unix.FcntlInt(file.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE)
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("copy this program to memory: %w", err)
	}
	return file, nil
}

// isSealed reports whether this process runs from a read-only mount.
func isSealed() bool {
	var fs unix.Statfs_t
	return unix.Statfs("/proc/self/exe", &fs) == nil && fs.Flags&unix.ST_RDONLY != 0
}

// small makes a Go program start sooner: with one working thread, and without garbage collection.
var small = []string{"GOMAXPROCS=1", "GOGC=off", "GOMEMLIMIT=off"}

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

// isSmall reports whether a variable is one of small, or changes their effect.
func isSmall(variable string) bool {
	return slices.Contains([]string{"GOMAXPROCS", "GOGC", "GOMEMLIMIT", "GODEBUG"}, nameOf(variable))
}

func nameOf(variable string) string {
	name, _, _ := strings.Cut(variable, "=")
	return name
}
