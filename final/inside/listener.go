//go:build linux

package inside

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// loadListened loads a filter some of whose system calls an agent decides about. It gets a descriptor for that, which is here only
// when the filter is: and then we may not be able to send it. So the host side is told its number before, takes it out of
// this process when it is there, and gives its word when the agent has it. seccomp_unotify(2), pidfd_getfd(2)
func (c *container) loadListened(load call) error {
	// The lowest number is the next one. dup(2)
	number, err := unix.FcntlInt(uintptr(c.socket), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("fcntl: %w", err)
	}
	unix.Close(number)
	if err := c.socket.Send(Report{Listener: number}); err != nil {
		return err
	}
	listener, _, errno := unix.RawSyscall(load.number, load.args[0], load.args[1], load.args[2])
	if errno != 0 {
		return fmt.Errorf("seccomp: load a filter with a listener: %w", errno)
	}
	if int(listener) != number {
		return errors.New("seccomp: the listener is not the expected descriptor")
	}
	// Whatever the filter makes of it, it is one raw call.
	word := make([]byte, 64)
	_, _, _ = unix.RawSyscall(unix.SYS_READ, uintptr(c.socket), uintptr(unsafe.Pointer(&word[0])), uintptr(len(word)))
	return nil
}
