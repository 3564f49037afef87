//go:build linux

// Package copyup runs on the thread of the host side that has entered a new container's mount namespace. It fills a tmpfs with the files
// that the image has below the tmpfs.
package copyup

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"container-workshop/final/more/idmap"
	"container-workshop/final/rootfs"
)

// maxCopyDepth bounds how many directories below each other are copied. Each costs two descriptors while what is in it is copied.
const maxCopyDepth = 256

// A Copy says in which way files are copied.
type Copy struct {
	// Proc is a path to the host's /proc.
	Proc string
	// IDs are the maps of the container's user namespace, nil without one. The host's root makes the copy, but reads only what the
	// container's root may read, and makes no device nodes.
	IDs *idmap.IDs
}

// Up copies the contents of a directory to a new file system: so a tmpfs that is mounted over the directory starts with what the image
// has there. place is a descriptor of the directory. to is a descriptor of the file system's root directory, which must be writable but need
// not be attached yet. It gets the owner and the mode of the directory, unless keep says no. name is for messages.
//
// Up follows no symbolic link in the directory, opens nothing but regular files, and leaves out mounts, which are not the image's.
// config.md, tmpcopyup
func (c Copy) Up(place int, name string, to int, keep bool) error {
	var own, top unix.Stat_t
	if err := errors.Join(unix.Fstat(to, &own), unix.Fstat(place, &top)); err != nil {
		return fmt.Errorf("stat the copy of %s: %w", name, err)
	}
	if !c.mayRead(&top) {
		return fmt.Errorf("copy %s: open . below the root: %w", name, unix.EACCES)
	}
	from, err := rootfs.Root(place).Open(".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return fmt.Errorf("copy %s: %w", name, err)
	}
	if err := c.copyDirectory(from, to, name, maxCopyDepth); err != nil || !keep {
		return err
	}
	if err := errors.Join(unix.Chown(c.path(to), int(own.Uid), int(own.Gid)), unix.Chmod(c.path(to), own.Mode&0o7777)); err != nil {
		return fmt.Errorf("keep the mode of the mount on %s: %w", name, err)
	}
	return nil
}

// copyDirectory closes the descriptor from, which is open for reading. to need not be.
func (c Copy) copyDirectory(from, to int, name string, depth int) error {
	dir := os.NewFile(uintptr(from), name)
	defer dir.Close()
	if depth == 0 {
		return fmt.Errorf("copy %s: more than %d nested directories", name, maxCopyDepth)
	}
	var stat unix.Stat_t
	if err := unix.Fstat(from, &stat); err != nil {
		return fmt.Errorf("stat %s: %w", name, err)
	}
	entries, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, base := range entries {
		if err := c.copyFile(from, to, base, path.Join(name, base), depth); err != nil {
			return err
		}
	}
	// What is made in a directory changes its times.
	return c.copyAttributes(from, to, name, &stat)
}

// copyFile copies a file of any type from one directory to another, which it is not in yet.
func (c Copy) copyFile(fromDir, toDir int, base, name string, depth int) error {
	const below = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV
	from, err := rootfs.Root(fromDir).Resolve(base, unix.O_PATH|unix.O_NOFOLLOW, 0, below)
	if errors.Is(err, unix.EXDEV) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("copy %s: %w", name, err)
	}
	defer unix.Close(from)
	var stat unix.Stat_t
	if err := unix.Fstat(from, &stat); err != nil {
		return fmt.Errorf("stat %s: %w", name, err)
	}
	if err := c.makeLike(from, toDir, base, &stat); errors.Is(err, errNoDevice) {
		return nil
	} else if err != nil {
		return fmt.Errorf("copy %s: create the file: %w", name, err)
	}
	to, err := unix.Openat(toDir, base, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("copy %s: open the copy: %w", name, err)
	}
	defer unix.Close(to)
	denied := !c.mayRead(&stat)
	switch kind := stat.Mode & unix.S_IFMT; {
	case denied && kind == unix.S_IFDIR:
		return fmt.Errorf("copy %s: open the directory: %w", name, unix.EACCES)
	case denied && kind == unix.S_IFREG:
		return fmt.Errorf("copy %s: open the file: %w", name, unix.EACCES)
	case kind == unix.S_IFDIR:
		dir, err := unix.Openat(from, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("copy %s: open the directory: %w", name, err)
		}
		return c.copyDirectory(dir, to, name, depth-1)
	case kind == unix.S_IFREG:
		if err := c.copyContent(from, to, stat.Size); err != nil {
			return fmt.Errorf("copy %s: %w", name, err)
		}
	}
	return c.copyAttributes(from, to, name, &stat)
}

// mayRead reports whether the container's root may read a file, or list a directory and open the files in it.
func (c Copy) mayRead(stat *unix.Stat_t) bool {
	const read, search = 0o4, 0o1
	rights := uint32(read)
	if stat.Mode&unix.S_IFMT == unix.S_IFDIR {
		rights |= search
	}
	return c.IDs.RootMay(stat, rights)
}

var errNoDevice = errors.New("device nodes cannot be created here")

// makeLike makes an empty file of the same type, which nobody else may open until it has its owner and its mode.
func (c Copy) makeLike(from, dir int, base string, stat *unix.Stat_t) error {
	switch stat.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return unix.Mkdirat(dir, base, 0o700)
	case unix.S_IFLNK:
		target := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(from, "", target)
		if err != nil {
			return fmt.Errorf("read the link: %w", err)
		}
		return unix.Symlinkat(string(target[:n]), dir, base)
	case unix.S_IFCHR, unix.S_IFBLK:
		if c.IDs != nil && stat.Rdev != 0 {
			// Nobody could use the node. What needs the device will say so.
			return errNoDevice
		}
		err := unix.Mknodat(dir, base, stat.Mode&unix.S_IFMT|0o600, int(stat.Rdev))
		if errors.Is(err, unix.EPERM) {
			// The cgroup of devices may forbid it, or a user namespace that we are in.
			return errNoDevice
		}
		return err
	}
	return unix.Mknodat(dir, base, stat.Mode&unix.S_IFMT|0o600, 0)
}

// copyContent copies a regular file, and leaves holes where it has some: a lastlog is some MB of data in many GB. lseek(2)
func (c Copy) copyContent(from, to int, size int64) error {
	// A lease on the file would make us wait. fcntl(2)
	in, err := os.OpenFile(c.path(from), unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.EAGAIN) {
		return errors.New("another process holds a lease on the file (fcntl(2), F_SETLEASE): stop this process, or leave out tmpcopyup")
	}
	if err != nil {
		return fmt.Errorf("open the file: %w", errors.Unwrap(err))
	}
	defer in.Close()
	out, err := os.OpenFile(c.path(to), unix.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("open the copy: %w", errors.Unwrap(err))
	}
	defer out.Close()
	for offset := int64(0); offset < size; {
		data, err := in.Seek(offset, unix.SEEK_DATA)
		if err == nil {
			offset, err = in.Seek(data, unix.SEEK_HOLE)
		}
		if errors.Is(err, unix.ENXIO) {
			// Nothing but a hole is left.
			break
		}
		if err == nil {
			err = copyRange(out, in, data, offset-data)
		}
		if err != nil {
			return fmt.Errorf("copy the content: %w", err)
		}
	}
	if err := out.Truncate(size); err != nil {
		return fmt.Errorf("set the size: %w", errors.Unwrap(err))
	}
	return nil
}

func copyRange(out, in *os.File, offset, size int64) error {
	for _, file := range []*os.File{in, out} {
		if _, err := file.Seek(offset, io.SeekStart); err != nil {
			return err
		}
	}
	_, err := io.CopyN(out, in, size)
	if errors.Is(err, io.EOF) {
		// It was made shorter in the meantime.
		return nil
	}
	return err
}

// copyAttributes comes after the content, because a write takes away setuid and capabilities, and so does a new owner.
func (c Copy) copyAttributes(from, to int, name string, stat *unix.Stat_t) error {
	owner := c.IDs.OwnerOf(stat)
	err := error(unix.EINVAL)
	if owner.HostUID != -1 && owner.HostGID != -1 {
		err = unix.Fchownat(to, "", owner.HostUID, owner.HostGID, unix.AT_EMPTY_PATH)
	}
	if errors.Is(err, unix.EINVAL) {
		err = fmt.Errorf("%w (the user namespace has no such IDs: map them, or leave out tmpcopyup)", err)
	}
	if err != nil {
		return fmt.Errorf("copy %s: give the copy to %d:%d: %w", name, owner.UID, owner.GID, err)
	}
	// A symbolic link has no mode of its own.
	if stat.Mode&unix.S_IFMT != unix.S_IFLNK {
		if err := unix.Chmod(c.path(to), stat.Mode&0o7777); err != nil {
			return fmt.Errorf("copy %s: set the mode: %w", name, err)
		}
	}
	if err := c.copyXattrs(c.path(from), c.path(to)); err != nil {
		return fmt.Errorf("copy %s: %w", name, err)
	}
	if err := unix.UtimesNanoAt(to, "", []unix.Timespec{stat.Atim, stat.Mtim}, unix.AT_EMPTY_PATH); err != nil {
		return fmt.Errorf("copy %s: set the times: %w", name, err)
	}
	return nil
}

// path names the file that a descriptor is open on, even if the file is a symbolic link. Unlike the descriptor of an O_PATH, the file
// that the name leads to can be opened, and has a mode and extended attributes. open(2)
func (c Copy) path(fd int) string { return fmt.Sprintf("%s/self/fd/%d", c.Proc, fd) }

// copyXattrs copies the extended attributes that the other file system takes. In a user namespace it leaves out the trusted ones. xattr(7)
func (c Copy) copyXattrs(from, to string) error {
	size, err := unix.Listxattr(from, nil)
	if size == 0 || unsupported(err) {
		return nil
	}
	names := make([]byte, max(size, 0))
	if err == nil {
		size, err = unix.Listxattr(from, names)
	}
	if err != nil {
		return fmt.Errorf("list the extended attributes: %w", err)
	}
	if size == 0 {
		// An overlay counts its own, and does not list them.
		return nil
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names[:size]), "\x00"), "\x00") {
		if c.IDs != nil && strings.HasPrefix(name, "trusted.") {
			continue
		}
		if err := copyXattr(from, to, name); err != nil && !unsupported(err) {
			return fmt.Errorf("copy the extended attribute %s: %w", name, err)
		}
	}
	return nil
}

func copyXattr(from, to, name string) error {
	size, err := unix.Getxattr(from, name, nil)
	if err != nil {
		return err
	}
	value := make([]byte, size)
	if size, err = unix.Getxattr(from, name, value); err != nil {
		return err
	}
	return unix.Setxattr(to, name, value[:size], 0)
}

func unsupported(err error) bool {
	for _, errno := range []error{unix.ENOTSUP, unix.EPERM, unix.EACCES, unix.ENODATA, unix.EOVERFLOW} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
