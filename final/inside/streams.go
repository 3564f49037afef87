//go:build linux

package inside

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"container-workshop/final/rootfs"
	"container-workshop/final/stage"
)

// prepareCommand finds what the command gets from the container: its null streams, its HOME and its program.
func (c *container) prepareCommand(line *stage.Line) {
	process := c.Spec.Process
	if !process.Terminal {
		for i, stream := range c.Streams {
			// In a user namespace the host's node belongs to nobody, so nobody there can change it.
			if stream == -1 || rootfs.IsNull(stream) && !c.UserNamespace {
				line.Do(fmt.Sprintf(`open("/dev/null"), for stream %d`, i), "null(4)", 0, func() error { return c.ownNull(i, stream) })
			}
		}
	}
	line.Do("read(/etc/passwd)", "passwd(5)", 0, func() error {
		c.made.Home = c.command.Home(process.User.UID, process.Env)
		return nil
	})
	line.Do(fmt.Sprintf("find(%q)", process.Args[0]), "execve(2)", 4, func() (err error) {
		c.made.Command, err = c.command.Find(process.Args[0], process.Env)
		return err
	})
}

// ownNull opens the container's /dev/null for a stream that is the host's /dev/null, or none. Through an open file, root in the container could
// change the mode and the owner of the host's node: then nobody else on the host could write to it.
func (c *container) ownNull(number, stream int) (err error) {
	flags := unix.O_RDWR
	if stream != -1 {
		flags, err = unix.FcntlInt(uintptr(stream), unix.F_GETFL, 0)
	}
	if err == nil {
		c.made.Null[number], err = c.openNull(flags & (unix.O_ACCMODE | unix.O_APPEND | unix.O_NONBLOCK))
	}
	if err != nil {
		err = fmt.Errorf("open /dev/null for stream %d: %w", number, err)
	}
	return err
}

// openNull opens the container's /dev/null. If the container has none, perhaps because it has removed it, openNull makes a node that nobody
// else sees.
func (c *container) openNull(flags int) (int, error) {
	place, err := c.tree.Open("/dev/null", unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err == nil {
		defer unix.Close(place)
		if !rootfs.IsNull(place) {
			err = errors.New("it is not the null device")
		}
	}
	if err == nil {
		var fd int
		if fd, err = rootfs.Reopen(c.proc, place, flags); err == nil {
			return fd, nil
		}
	}
	mount, err := rootfs.MakeFilesystem("tmpfs", "tmpfs", []string{"nr_inodes=2"}, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(mount)
	// The umask may be the host's.
	if err := errors.Join(unix.Mknodat(mount, "null", unix.S_IFCHR, int(unix.Mkdev(1, 3))), unix.Fchmodat(mount, "null", 0o666, 0)); err != nil {
		return -1, fmt.Errorf("mknod: %w", err)
	}
	return unix.Openat(mount, "null", flags|unix.O_CLOEXEC, 0)
}
