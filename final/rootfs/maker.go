//go:build linux

package rootfs

import (
	"errors"
	"fmt"
	"path"

	"golang.org/x/sys/unix"
)

// A Maker makes what is missing of paths below a root.
type Maker struct {
	Root Root
	// May returns an error for a directory in which nothing may be made. Nil allows all directories.
	May func(dir int) error
	// resolve restricts how a path is resolved. openat2(2)
	resolve uint64
}

// maxDepth bounds how many directories and symbolic links are followed for one path.
const maxDepth = 1000

// Directory opens a directory, and makes it and those above it if they are not there. It may be another file already.
func (m Maker) Directory(name string, mode uint32) (int, error) {
	return m.make(name, unix.S_IFDIR|mode, maxDepth)
}

// File opens a file, and makes an empty one, and the directories above it, if it is not there.
func (m Maker) File(name string) (int, error) {
	return m.make(name, unix.S_IFREG|0o644, maxDepth)
}

// Place opens the file or directory that something is mounted on, and makes it if it is not there. It reports whether it has made it.
// Look at the descriptor, and mount on the descriptor: the path can lead elsewhere a moment later.
func (m Maker) Place(name string, directory bool) (fd int, made bool, err error) {
	fd, err = m.Root.Open(name, unix.O_PATH, 0)
	if !errors.Is(err, unix.ENOENT) {
		return fd, false, err
	}
	if directory {
		fd, err = m.Directory(name, 0o755)
	} else {
		fd, err = m.File(name)
	}
	return fd, true, err
}

// PlainDirectory opens a directory to which no symbolic link leads, and makes it if it is not there.
func (m Maker) PlainDirectory(name string) (int, error) {
	m.resolve = unix.RESOLVE_NO_SYMLINKS
	fd, err := m.make(name, unix.S_IFDIR|0o755, maxDepth)
	if err == nil && !isDirectory(fd) {
		unix.Close(fd)
		err = unix.ENOTDIR
	}
	if err != nil {
		// These are runc's words: callers look for them.
		return -1, fmt.Errorf("%s of the root file system: proc and sysfs must be mounted on ordinary directory, not a symbolic link: %w", name, err)
	}
	return fd, nil
}

func (m Maker) open(name string, flags int) (int, error) {
	return m.Root.Resolve(name, flags, 0, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS|m.resolve)
}

func (m Maker) make(name string, mode uint32, depth int) (int, error) {
	fd, err := m.open(name, unix.O_PATH)
	if !errors.Is(err, unix.ENOENT) {
		return fd, err
	}
	dir, base := path.Split(path.Clean("/" + name))
	if depth == 0 || base == "" {
		return -1, fmt.Errorf("create %s: %w", name, unix.ELOOP)
	}
	parent, err := m.make(dir, unix.S_IFDIR|0o755, depth-1)
	if err != nil {
		return -1, err
	}
	defer unix.Close(parent)
	if m.May != nil {
		if err := m.May(parent); err != nil {
			return -1, fmt.Errorf("create %s: %w", name, err)
		}
	}
	if mode&unix.S_IFMT == unix.S_IFDIR {
		err = unix.Mkdirat(parent, base, mode)
	} else {
		err = unix.Mknodat(parent, base, mode, 0)
	}
	if errors.Is(err, unix.EEXIST) && m.resolve&unix.RESOLVE_NO_SYMLINKS == 0 {
		// A symbolic link to nowhere. What it leads to is made, below the root as well.
		link := make([]byte, unix.PathMax)
		if n, err := unix.Readlinkat(parent, base, link); err == nil {
			return m.make(absolute(dir, string(link[:n])), mode, depth-1)
		}
	} else if err != nil && !errors.Is(err, unix.EEXIST) {
		return -1, fmt.Errorf("create %s: %w", name, err)
	}
	// What has been made is opened where it has been made: the path to it may lead elsewhere by now.
	fd, err = Root(parent).Resolve(base, unix.O_PATH|unix.O_NOFOLLOW, 0, unix.RESOLVE_BENEATH)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", name, err)
	}
	return fd, nil
}

// absolute returns where a symbolic link in a directory leads.
func absolute(dir, link string) string {
	if path.IsAbs(link) {
		return link
	}
	return path.Join(dir, link)
}
