//go:build linux

// Package owned runs on the host side. It opens and removes directories that belong to this program alone: the root of all
// state, and the storage of what containers write. What is found in them is believed, and what is below them is removed as root,
// so nobody else may have put it there, nor be able to put something else in its place.
package owned

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links a path may lead through, as for the kernel. path_resolution(7)
const maxLinks = 40

// Open opens a directory, named by an absolute path, if it belongs to us, if nobody else can write to it, and if nobody else can
// put another one in its place.
func Open(name string) (int, error) {
	dir, err := OpenShared(name)
	if err != nil {
		return -1, err
	}
	if err := Check(dir, name); err != nil {
		unix.Close(dir)
		return -1, fmt.Errorf("%w (choose a directory that only root can write to)", err)
	}
	return dir, nil
}

// OpenShared is Open for a directory in which others may have files of their own, if it is sticky.
func OpenShared(name string) (int, error) {
	w := walk{name: name, fd: -1, rest: split(name)}
	defer func() { unix.Close(w.fd) }()
	err := w.start()
	for err == nil && len(w.rest) > 0 {
		err = w.step()
	}
	if err == nil {
		err = checkAbove(w.fd, w.at)
	}
	if err != nil {
		return -1, err
	}
	dir, err := unix.Openat(w.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return dir, nil
}

// A walk opens each directory of a path below the one before, and looks at it by its descriptor.
type walk struct {
	name string
	// fd is the directory that has been reached, and at is its path.
	fd int
	at string
	// rest is the way that is left.
	rest  []string
	links int
}

func (w *walk) start() (err error) {
	unix.Close(w.fd)
	w.at = "/"
	w.fd, err = unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	return os.NewSyscallError("open /", err)
}

func (w *walk) step() error {
	if err := checkAbove(w.fd, w.at); err != nil {
		return err
	}
	at := filepath.Join(w.at, w.rest[0])
	next, err := unix.Openat(w.fd, w.rest[0], unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: at, Err: err}
	}
	w.rest = w.rest[1:]
	target, err := linkOf(next, at)
	if err != nil || target != "" {
		unix.Close(next)
	} else {
		unix.Close(w.fd)
		w.fd, w.at = next, at
	}
	if err != nil || target == "" {
		return err
	}
	if w.links++; w.links > maxLinks {
		return &os.PathError{Op: "open", Path: w.name, Err: unix.ELOOP}
	}
	w.rest = slices.Concat(split(target), w.rest)
	if filepath.IsAbs(target) {
		return w.start()
	}
	return nil
}

// split returns the components of a path.
func split(name string) []string {
	return slices.DeleteFunc(strings.Split(name, "/"), func(part string) bool { return part == "" || part == "." })
}

// linkOf returns what a symbolic link points to, and "" for all else. Whoever owns a link decides where it leads.
func linkOf(fd int, name string) (string, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return "", fmt.Errorf("stat %s: %w", name, err)
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFLNK {
		return "", nil
	}
	if !ours(&stat) {
		return "", fmt.Errorf("%s is a symbolic link of user %d, who can change where it leads (choose a directory that only root can replace)", name, stat.Uid)
	}
	buffer := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buffer)
	if err != nil {
		return "", fmt.Errorf("read the link %s: %w", name, err)
	}
	return string(buffer[:n]), nil
}

func ours(stat *unix.Stat_t) bool { return stat.Uid == 0 || int(stat.Uid) == os.Geteuid() }

const writable = unix.S_IWGRP | unix.S_IWOTH

// checkAbove refuses a directory in which somebody else can rename what is ours. In a sticky one nobody can.
func checkAbove(fd int, name string) error {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return fmt.Errorf("stat %s: %w", name, err)
	}
	switch {
	case stat.Mode&unix.S_IFMT != unix.S_IFDIR:
		return &os.PathError{Op: "open", Path: name, Err: unix.ENOTDIR}
	case !ours(&stat):
		return fmt.Errorf("%s belongs to user %d, who can replace its contents (choose a directory that only root can replace)", name, stat.Uid)
	case stat.Mode&writable != 0 && stat.Mode&unix.S_ISVTX == 0:
		return fmt.Errorf("other users can write to %s and replace its contents (chmod go-w %[1]s, or chmod +t %[1]s)", name)
	}
	return nil
}

// Check refuses an open file or directory that is not ours, or that others can write to.
func Check(fd int, name string) error {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return fmt.Errorf("stat %s: %w", name, err)
	}
	switch {
	case !ours(&stat):
		return fmt.Errorf("%s belongs to user %d", name, stat.Uid)
	case stat.Mode&writable != 0:
		return fmt.Errorf("other users can write to %s", name)
	}
	return nil
}

// Below opens a directory in one that is open, if it belongs to us and nobody else can write to it.
func Below(dir int, name string) (int, error) {
	fd, err := openBelow(dir, name)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: name, Err: err}
	}
	if err := Check(fd, name); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// ReadFile reads a file in a directory. It refuses a file that others can have written to.
func ReadFile(dir int, name string) ([]byte, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	file := os.NewFile(uintptr(fd), name)
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	if err := Check(fd, name); err != nil {
		return nil, err
	}
	return io.ReadAll(file)
}
