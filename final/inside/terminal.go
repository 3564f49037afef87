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

// openTerminal makes a terminal in the container's own devpts. The host side keeps the master. pts(4)
func (c *container) openTerminal(line *stage.Line) {
	if !c.Spec.Process.Terminal {
		return
	}
	line.Do(`open("/dev/pts/ptmx")`, "pts(4)", 0, func() (err error) {
		if c.made.Master, err = c.openMaster(); err == nil {
			c.made.Slave, err = terminal.SetUp(c.made.Master, c.Size, c.Plain)
		}
		return err
	})
}

// bindConsole shows the terminal as /dev/console. In a /dev that is a volume it makes nothing.
func (c *container) bindConsole() error {
	err := c.own.BindFile(c.made.Slave, "/dev/console", 0)
	if errors.Is(err, rootfs.ErrForeign) {
		return nil
	}
	return err
}

// openMaster looks before it opens the file: opening another device can do something already.
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
	master, err := rootfs.Reopen(c.proc, place, unix.O_RDWR|unix.O_NOCTTY)
	if err != nil {
		return -1, fmt.Errorf("open /dev/pts/ptmx: %w", err)
	}
	return master, nil
}
