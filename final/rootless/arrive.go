//go:build linux

package rootless

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// turns is a variable of the Go runtime. With one Go processor from the beginning, final starts sooner after it has entered a user namespace:
// see takeTurns. The zero tells our value from a value of the caller, which hooks inherit.
const turns, oneTurn = "GOMAXPROCS", "01"

// Arrive waits until newuidmap and newgidmap have written the ID maps of the user namespace that final has entered. They work while the Go
// runtime starts: see Enter. Until then nobody has an ID here, and after that final is root.
func Arrive() error {
	if os.Getenv(turns) == oneTurn {
		os.Unsetenv(turns)
	}
	uid, descriptors, waits := strings.Cut(os.Getenv(Marker), ":")
	if !waits {
		return nil
	}
	for i, id := range []func() int{os.Geteuid, os.Getegid} {
		program := []string{"newuidmap", "newgidmap"}[i]
		var descriptor string
		descriptor, descriptors, _ = strings.Cut(descriptors, ":")
		pidfd, err := strconv.Atoi(descriptor)
		if err == nil {
			err = wait(pidfd)
		}
		if err != nil {
			return fmt.Errorf("wait for %s: %w", program, err)
		}
		if id() != 0 {
			return because(program, 0)
		}
	}
	if err := disinherit(); err != nil {
		return err
	}
	return os.Setenv(Marker, uid)
}

// wait waits for the end of a child, and closes its descriptor.
func wait(pidfd int) error {
	defer unix.Close(pidfd)
	for {
		if err := unix.Waitid(unix.P_PIDFD, pidfd, nil, unix.WEXITED, nil); err != unix.EINTR {
			return os.NewSyscallError("waitid", err)
		}
	}
}

// disinherit takes the inheritable capabilities from all threads, and the ambient ones with them: the programs that final executes are root
// from now on. capabilities(7)
func disinherit() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return os.NewSyscallError("capget", err)
	}
	data[0].Inheritable, data[1].Inheritable = 0, 0
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data[0])), 0)
	if errno != 0 {
		return os.NewSyscallError("capset", errno)
	}
	return nil
}
