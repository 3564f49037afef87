//go:build linux

package terminal

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// SetUp prepares a new terminal for a command, and returns the command's side. It asks the master alone: no number and no name in a
// directory of the image is to be trusted. CVE-2025-52565
//
// A plain terminal lets LF be LF, because its output goes to a file or a pipe. termios(3), ONLCR
func SetUp(master int, size *unix.Winsize, plain bool) (slave int, err error) {
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return -1, fmt.Errorf("unlock a terminal: %w", err)
	}
	slave, err = Peer(master)
	if err != nil {
		return -1, fmt.Errorf("open the other end of a terminal: %w", err)
	}
	if size != nil {
		if err := unix.IoctlSetWinsize(master, unix.TIOCSWINSZ, size); err != nil {
			return slave, fmt.Errorf("set the size of a terminal: %w", err)
		}
	}
	if !plain {
		return slave, nil
	}
	settings, err := unix.IoctlGetTermios(slave, unix.TCGETS)
	if err == nil {
		settings.Oflag &^= unix.ONLCR
		err = unix.IoctlSetTermios(slave, unix.TCSETS, settings)
	}
	if err != nil {
		err = fmt.Errorf("set up a terminal: %w", err)
	}
	return slave, err
}
