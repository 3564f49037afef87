//go:build linux

// Package copyup runs in the container, before the command is there: it fills a tmpfs with the files that are below it in the image.
package copyup

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"container-workshop/final/rootfs"
)

// maxCopyDepth bounds how many directories below each other are copied. Each costs two descriptors while what is in it is copied.
const maxCopyDepth = 256

// CopyUp copies the contents of a directory to a new file system: so a tmpfs that is mounted over the directory starts with what the
// image has there. place is a descriptor of the directory, and to one of the root directory of the file system, which must be writable
// but need not be attached yet. It gets the owner and the mode of the directory, unless keep says no. name is for messages.
//
// No symbolic link in it is followed, nothing but a regular file is opened, and a mount in it is left out: it is not the
// image's. The host's /proc must be in sight. config.md, tmpcopyup
func CopyUp(place int, name string, to int, keep bool) error {
	from, err := rootfs.Root(place).Open(".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return fmt.Errorf("copy %s: %w", name, err)
	}
	var own unix.Stat_t
	if err := unix.Fstat(to, &own); err != nil {
		unix.Close(from)
		return fmt.Errorf("stat the copy of %s: %w", name, err)
	}
	if err := copyDirectory(from, to, name, maxCopyDepth); err != nil || !keep {
		return err
	}
	if err := errors.Join(unix.Chown(procPath(to), int(own.Uid), int(own.Gid)), unix.Chmod(procPath(to), own.Mode&0o7777)); err != nil {
		return fmt.Errorf("keep the mode of the mount on %s: %w", name, err)
	}
	return nil
}

// copyDirectory closes the descriptor from, which is open for reading. to need not be.
func copyDirectory(from, to int, name string, depth int) error {
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
		if err := copyFile(from, to, base, path.Join(name, base), depth); err != nil {
			return err
		}
	}
	// What is made in a directory changes its times.
	return copyAttributes(from, to, name, &stat)
}

// copyFile copies a file of any type from one directory to another, which it is not in yet.
func copyFile(fromDir, toDir int, base, name string, depth int) error {
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
	if err := makeLike(from, toDir, base, &stat); errors.Is(err, errNoDevice) {
		return nil
	} else if err != nil {
		return fmt.Errorf("copy %s: create the file: %w", name, err)
	}
	to, err := unix.Openat(toDir, base, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("copy %s: open the copy: %w", name, err)
	}
	defer unix.Close(to)
	switch stat.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		dir, err := unix.Openat(from, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("copy %s: open the directory: %w", name, err)
		}
		return copyDirectory(dir, to, name, depth-1)
	case unix.S_IFREG:
		if err := copyContent(from, to, stat.Size); err != nil {
			return fmt.Errorf("copy %s: %w", name, err)
		}
	}
	return copyAttributes(from, to, name, &stat)
}

var errNoDevice = errors.New("device nodes cannot be created here")

// makeLike makes an empty file of the same type, which nobody else may open until it has its owner and its mode.
func makeLike(from, dir int, base string, stat *unix.Stat_t) error {
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
		err := unix.Mknodat(dir, base, stat.Mode&unix.S_IFMT|0o600, int(stat.Rdev))
		if errors.Is(err, unix.EPERM) {
			// In a user namespace, and where the cgroup of devices forbids it. What needs the device will say so.
			return errNoDevice
		}
		return err
	}
	return unix.Mknodat(dir, base, stat.Mode&unix.S_IFMT|0o600, 0)
}

// copyContent copies a regular file, and leaves holes where it has some: a lastlog is some MB of data in many GB. lseek(2)
func copyContent(from, to int, size int64) error {
	// A lease on the file would make us wait. fcntl(2)
	in, err := os.OpenFile(procPath(from), unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.EAGAIN) {
		return errors.New("another process holds a lease on the file (fcntl(2), F_SETLEASE): stop this process, or leave out tmpcopyup")
	}
	if err != nil {
		return fmt.Errorf("open the file: %w", errors.Unwrap(err))
	}
	defer in.Close()
	out, err := os.OpenFile(procPath(to), unix.O_WRONLY, 0)
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

// copyAttributes is done when the content is there: a write takes away setuid and capabilities, and so does a new owner.
func copyAttributes(from, to int, name string, stat *unix.Stat_t) error {
	err := unix.Fchownat(to, "", int(stat.Uid), int(stat.Gid), unix.AT_EMPTY_PATH)
	if errors.Is(err, unix.EINVAL) {
		err = fmt.Errorf("%w (the user namespace has no such IDs: map them, or leave out tmpcopyup)", err)
	}
	if err != nil {
		return fmt.Errorf("copy %s: give the copy to %d:%d: %w", name, stat.Uid, stat.Gid, err)
	}
	// A symbolic link has no mode of its own.
	if stat.Mode&unix.S_IFMT != unix.S_IFLNK {
		if err := unix.Chmod(procPath(to), stat.Mode&0o7777); err != nil {
			return fmt.Errorf("copy %s: set the mode: %w", name, err)
		}
	}
	if err := copyXattrs(procPath(from), procPath(to)); err != nil {
		return fmt.Errorf("copy %s: %w", name, err)
	}
	if err := unix.UtimesNanoAt(to, "", []unix.Timespec{stat.Atim, stat.Mtim}, unix.AT_EMPTY_PATH); err != nil {
		return fmt.Errorf("copy %s: set the times: %w", name, err)
	}
	return nil
}

// procPath names the file that a descriptor stands for, also if that is a symbolic link. Other than the descriptor of an O_PATH,
// it can be opened, and has a mode and extended attributes. open(2)
func procPath(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }

// copyXattrs copies the extended attributes that the other file system takes, and that we may set: trusted ones not in a user
// namespace. xattr(7)
func copyXattrs(from, to string) error {
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
