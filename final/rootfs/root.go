//go:build linux

// Package rootfs runs on the host side: on the thread that has entered a new container's mount namespace, it makes the tree that the
// command sees. Other threads use it too, to read files of an image (Root.ReadFile), and to make mounts that are attached nowhere.
//
// Do not trust a root file system: any of its directories can be a symbolic link to a place on the host. So no call names a file in it
// by a path alone. The kernel resolves a path below the root to a descriptor, and the next calls use the descriptor. openat2(2)
package rootfs

import (
	"errors"
	"fmt"
	"io"
	"os"

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
	fd, err := Reopen(proc, place, unix.O_RDONLY|unix.O_NONBLOCK)
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

// Reopen opens the file that the descriptor of an O_PATH is open on, through a proc file system of the caller's. close-on-exec is added
// to the flags.
func Reopen(proc, place, flags int) (int, error) {
	return unix.Openat(proc, fmt.Sprintf("self/fd/%d", place), flags|unix.O_CLOEXEC, 0)
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
