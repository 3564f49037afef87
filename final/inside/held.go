//go:build linux

package inside

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// hold tells the host side that the container is created, by closing the socket to it, and waits for a later process of the host
// side, which is start, to connect and to give its word. As long as we have the locked file open, the container is created and
// not running: the kernel closes it at execve, and not a moment before or after. That we have come so far is written into it, for
// who finds it when create has been killed. Nothing else of the host's stays open for so long: another container may be able to
// look into us, where they share a PID namespace. flock(2)
func (c *container) hold() error {
	if _, err := unix.Write(c.held, []byte("created")); err != nil {
		return fmt.Errorf("mark the container as created: %w", err)
	}
	for _, fd := range append([]int{int(c.socket), c.root, c.proc, c.terminal}, c.tasks...) {
		if fd >= c.first {
			unix.Close(fd)
		}
	}
	for {
		connection, _, err := unix.Accept4(c.start, unix.SOCK_CLOEXEC)
		if err == unix.EINTR || err == unix.ECONNABORTED {
			continue
		}
		if err != nil {
			return fmt.Errorf("wait for start: %w", err)
		}
		c.socket = Socket(connection)
		if c.word() == nil {
			return nil
		}
		// It was killed before it could say the word: there may be another one.
		unix.Close(connection)
	}
}
