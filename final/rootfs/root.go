//go:build linux

// Package rootfs runs in the container, as process 1, before the command is there: it makes the tree that the command sees.
// The host side uses it too, to read files of an image (Root.ReadFile), and to make mounts that are attached nowhere.
//
// What is in a root file system is not to be trusted: any of its directories can be a symbolic link to a place on the host.
// So nothing in it is named by a path alone. A path is resolved below the root, by the kernel, to a descriptor, and what
// follows is done to the descriptor. openat2(2)
package rootfs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// A Root is a descriptor of a directory, which is the root directory for all paths that are resolved by it.
type Root int

// OpenRoot opens a directory as a root.
func OpenRoot(dir string) (Root, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", dir, err)
	}
	return Root(fd), nil
}

// Close closes the descriptor.
func (r Root) Close() { unix.Close(int(r)) }

// IsEmpty reports whether there is nothing in the root directory.
func (r Root) IsEmpty() bool {
	fd, err := r.Open(".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return false
	}
	dir := os.NewFile(uintptr(fd), ".")
	defer dir.Close()
	names, err := dir.Readdirnames(1)
	return len(names) == 0 && errors.Is(err, io.EOF)
}

// Open opens a file as if the root were the root directory: neither .. nor a symbolic link leads out of it. flags are those
// of open(2); close-on-exec is added. With more than one process at work in the tree the kernel may have to try again.
func (r Root) Open(name string, flags int, mode uint32) (int, error) {
	return r.Resolve(name, flags, mode, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
}

// Resolve is Open with other limits on how the path is resolved, such as unix.RESOLVE_BENEATH. openat2(2)
func (r Root) Resolve(name string, flags int, mode uint32, resolve uint64) (int, error) {
	how := unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Mode: uint64(mode), Resolve: resolve}
	for range 128 {
		fd, err := unix.Openat2(int(r), name, &how)
		if err != unix.EAGAIN && err != unix.EINTR {
			if err != nil {
				return -1, fmt.Errorf("open %s below the root: %w", name, err)
			}
			return fd, nil
		}
	}
	return -1, fmt.Errorf("open %s below the root: %w", name, unix.EAGAIN)
}

// ReadFile reads a regular file of at most limit bytes, through the host's /proc.
func (r Root) ReadFile(name string, limit int) ([]byte, error) {
	proc, err := unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /proc: %w", err)
	}
	defer unix.Close(proc)
	return r.ReadFileBy(proc, name, limit)
}

// ReadFileBy reads a regular file of at most limit bytes, through a proc file system of the caller's. It opens no other file: opening a FIFO
// waits for a writer, and opening a device can do something.
func (r Root) ReadFileBy(proc int, name string, limit int) ([]byte, error) {
	place, err := r.Open(name, unix.O_PATH, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(place)
	var stat unix.Stat_t
	if err := unix.Fstat(place, &stat); err != nil {
		return nil, fmt.Errorf("stat %s: %w", name, err)
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFREG || stat.Size > int64(limit) {
		return nil, fmt.Errorf("%s: must be a regular file of at most %d bytes", name, limit)
	}
	// O_NONBLOCK: if somebody has a lease on the file, open would wait. fcntl(2)
	fd, err := unix.Openat(proc, fmt.Sprintf("self/fd/%d", place), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	defer unix.Close(fd)
	content := make([]byte, stat.Size)
	n, err := unix.Read(fd, content)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return content[:n], nil
}

// maxDepth bounds how many directories and symbolic links are followed for one path.
const maxDepth = 1000

// Directory opens a directory, and makes it and those above it if they are not there. It may be another file already.
func (r Root) Directory(name string, mode uint32) (int, error) {
	return maker{root: r}.make(name, unix.S_IFDIR|mode, maxDepth)
}

// File opens a file, and makes an empty one, and the directories above it, if it is not there.
func (r Root) File(name string) (int, error) {
	return maker{root: r}.make(name, unix.S_IFREG|0o644, maxDepth)
}

// Place opens the file or directory that something is mounted on, and makes it if it is not there. It reports whether it has made it.
// Look at the descriptor, and mount on the descriptor: the path can lead elsewhere a moment later.
func (r Root) Place(name string, directory bool) (fd int, made bool, err error) {
	fd, err = r.Open(name, unix.O_PATH, 0)
	if !errors.Is(err, unix.ENOENT) {
		return fd, false, err
	}
	if directory {
		fd, err = r.Directory(name, 0o755)
	} else {
		fd, err = r.File(name)
	}
	return fd, true, err
}

// PlainDirectory opens a directory to which no symbolic link leads, and makes it if it is not there.
func (r Root) PlainDirectory(name string) (int, error) {
	fd, err := maker{root: r, resolve: unix.RESOLVE_NO_SYMLINKS}.make(name, unix.S_IFDIR|0o755, maxDepth)
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

// IsInProc reports whether an open file is the one with a name in a directory below the root, and that is the root directory of a proc.
func (r Root) IsInProc(file int, dir, base string) bool {
	parent, err := r.Open(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return false
	}
	defer unix.Close(parent)
	var fs unix.Statfs_t
	var stat unix.Stat_t
	// The number is PROC_ROOT_INO of the kernel.
	if unix.Fstatfs(parent, &fs) != nil || fs.Type != unix.PROC_SUPER_MAGIC || unix.Fstat(parent, &stat) != nil || stat.Ino != 1 {
		return false
	}
	other, err := unix.Openat(parent, base, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(other)
	return sameFile(file, other)
}

// Mode returns the mode of an open file, without its type.
func Mode(fd int) (uint32, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return 0, fmt.Errorf("stat: %w", err)
	}
	return stat.Mode & 0o7777, nil
}

// A maker makes what is missing of a path below a root.
type maker struct {
	root Root
	// resolve restricts how a path is resolved. openat2(2)
	resolve uint64
	// may returns an error for a directory in which nothing may be made. Nil allows all.
	may func(dir int) error
}

func (m maker) open(name string, flags int) (int, error) {
	return m.root.Resolve(name, flags, 0, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS|m.resolve)
}

func (m maker) make(name string, mode uint32, depth int) (int, error) {
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
	if m.may != nil {
		if err := m.may(parent); err != nil {
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
