//go:build linux

package inside

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"container-workshop/final/rootfs"
	"container-workshop/final/stage"
	"container-workshop/final/terminal"
)

// openTerminal makes a terminal in the container's own devpts, and makes it ours. The host side gets the master. pts(4)
func (c *container) openTerminal() ([]stage.Stage, error) {
	if !c.Terminal {
		return nil, nil
	}
	slave := -1
	list := []stage.Stage{
		{Call: `open("/dev/pts/ptmx")`, Man: "pts(4)", Do: func() (err error) {
			c.terminal, slave, err = openPair(c.Size, c.openMaster)
			if err == nil && c.Plain {
				err = makePlain(slave)
			}
			return err
		}},
		{Call: "ioctl(TIOCSCTTY)", Man: "TIOCSCTTY(2const)", Do: func() error { return c.useTerminal(slave) }},
	}
	if c.Joins {
		return list, nil
	}
	return append(list, stage.Stage{Call: `move_mount(terminal, "/dev/console")`, Man: "move_mount(2)", Do: func() error {
		err := c.own.BindFile(0, "/dev/console", 0)
		if errors.Is(err, rootfs.ErrForeign) {
			// In a /dev that is a volume nothing is made.
			return nil
		}
		return err
	}}), nil
}

// openMaster looks before it opens: to open another device can do something already.
func (c *container) openMaster() (int, error) {
	place, err := c.tree.Open("/dev/pts/ptmx", unix.O_PATH, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(place)
	var fs unix.Statfs_t
	if err := unix.Fstatfs(place, &fs); err != nil || fs.Type != unix.DEVPTS_SUPER_MAGIC {
		return -1, errors.New("/dev/pts/ptmx of the container is not on a devpts file system")
	}
	master, err := unix.Openat(c.proc, fmt.Sprintf("self/fd/%d", place), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open /dev/pts/ptmx: %w", err)
	}
	return master, nil
}

// openPair opens both ends of a terminal: a number and a name in a directory of the image are not to be trusted. CVE-2025-52565
func openPair(size *unix.Winsize, open func() (int, error)) (master, slave int, err error) {
	master, err = open()
	if err != nil {
		return -1, -1, err
	}
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return -1, -1, fmt.Errorf("unlock a terminal: %w", err)
	}
	slave, err = terminal.Peer(master)
	if err != nil {
		return -1, -1, fmt.Errorf("open the other end of a terminal: %w", err)
	}
	if size != nil {
		if err := unix.IoctlSetWinsize(master, unix.TIOCSWINSZ, size); err != nil {
			return -1, -1, fmt.Errorf("set the size of a terminal: %w", err)
		}
	}
	return master, slave, nil
}

// makePlain lets a terminal print LF as it is. termios(3), ONLCR
func makePlain(slave int) error {
	settings, err := unix.IoctlGetTermios(slave, unix.TCGETS)
	if err == nil {
		settings.Oflag &^= unix.ONLCR
		err = unix.IoctlSetTermios(slave, unix.TCSETS, settings)
	}
	if err != nil {
		return fmt.Errorf("set up a terminal: %w", err)
	}
	return nil
}

// useTerminal makes the terminal that of our session, and the standard streams.
func (c *container) useTerminal(slave int) error {
	for stream := range 3 {
		if err := unix.Dup3(slave, stream, 0); err != nil {
			return fmt.Errorf("use a terminal: %w", err)
		}
	}
	unix.Close(slave)
	if uid := c.User.UID; uid != 0 {
		if err := unix.Fchown(0, int(uid), -1); err != nil {
			return fmt.Errorf("give the terminal to the user %d: %w", uid, err)
		}
	}
	if err := unix.IoctlSetInt(0, unix.TIOCSCTTY, 0); err != nil {
		return fmt.Errorf("make the terminal the controlling terminal: %w", err)
	}
	return nil
}
