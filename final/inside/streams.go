//go:build linux

package inside

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"container-workshop/final/rootfs"
	"container-workshop/final/stage"
)

// streams makes the standard streams the command's.
func (c *container) streams() []stage.Stage {
	var list []stage.Stage
	for stream := range 3 {
		// In a user namespace the host's node belongs to nobody.
		if isNull(stream) && !c.UserNamespace {
			list = append(list, stage.Stage{Call: fmt.Sprintf(`open("/dev/null"), dup(%d)`, stream), Man: "null(4)", Do: func() error { return c.ownNull(stream) }})
		}
	}
	return append(list, stage.Stage{Call: fmt.Sprintf("fchown(0, 1, 2, %d)", c.User.UID), Man: "fchown(2)", Do: c.giveStreams})
}

// isNull reports whether an open file is the device /dev/null.
func isNull(fd int) bool {
	var stat unix.Stat_t
	return unix.Fstat(fd, &stat) == nil && stat.Mode&unix.S_IFMT == unix.S_IFCHR && stat.Rdev == unix.Mkdev(1, 3)
}

// ownNull makes a stream that is the host's /dev/null the container's. With an open file comes its node, and root in the container
// could change the mode and the owner of the host's: then nobody else on the host could write to it.
func (c *container) ownNull(stream int) error {
	flags, err := unix.FcntlInt(uintptr(stream), unix.F_GETFL, 0)
	fd := -1
	if err == nil {
		fd, err = c.openNull(flags & (unix.O_ACCMODE | unix.O_APPEND | unix.O_NONBLOCK))
	}
	if err == nil {
		err = unix.Dup3(fd, stream, 0)
		unix.Close(fd)
	}
	if err != nil {
		err = fmt.Errorf("open /dev/null for stream %d: %w", stream, err)
	}
	return err
}

// openNull opens the container's /dev/null. Where there is none, as the container may have removed it, it makes one that nobody else sees.
func (c *container) openNull(flags int) (int, error) {
	place, err := c.tree.Open("/dev/null", unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err == nil {
		defer unix.Close(place)
		if !isNull(place) {
			err = errors.New("it is not the null device")
		}
	}
	if err == nil {
		var fd int
		if fd, err = unix.Openat(c.proc, fmt.Sprintf("self/fd/%d", place), flags|unix.O_CLOEXEC, 0); err == nil {
			return fd, nil
		}
	}
	mount, err := rootfs.MakeFilesystem("tmpfs", "tmpfs", []string{"nr_inodes=2"}, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(mount)
	if err := unix.Mknodat(mount, "null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
		return -1, fmt.Errorf("mknod: %w", err)
	}
	return unix.Openat(mount, "null", flags|unix.O_CLOEXEC, 0)
}

// giveStreams gives the pipes that are standard streams to the user of the command, who could not open /dev/stdout otherwise.
// Files are the caller's, and so is a FIFO that has a name.
func (c *container) giveStreams() error {
	for stream := range 3 {
		var stat unix.Stat_t
		var fs unix.Statfs_t
		if c.User.UID == 0 || unix.Fstat(stream, &stat) != nil || stat.Mode&unix.S_IFMT != unix.S_IFIFO ||
			unix.Fstatfs(stream, &fs) != nil || fs.Type != unix.PIPEFS_MAGIC {
			continue
		}
		err := unix.Fchown(stream, int(c.User.UID), -1)
		if c.UserNamespace && errors.Is(err, unix.EPERM) {
			// It is a user's whom we do not know here.
			err = nil
		}
		if err != nil {
			return fmt.Errorf("give stream %d to the user %d: %w", stream, c.User.UID, err)
		}
	}
	return nil
}
