//go:build linux

// Package owned runs on the host side, in the final that you started. It opens and removes directories that belong to final alone:
// the directory with the state of all containers, and the storage for what containers write. final believes what it reads in these
// directories, runs the hooks that it finds there, and removes files there as root. So Open refuses a directory if another user
// could have put a file into it, or could put another directory in its place.
package owned

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"container-workshop/final/namespace"
)

// maxLinks is how many symbolic links a path may have. The kernel has the same limit. path_resolution(7)
const maxLinks = 40

// Open opens a directory by its absolute path. It refuses a directory of another user, a directory that other users can write to,
// and a directory that other users can replace.
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

// OpenShared is Open for a directory such as /tmp: other users may write to the directory if it is sticky.
func OpenShared(name string) (int, error) {
	w := walk{name: name, fd: -1, rest: components(name)}
	defer func() { unix.Close(w.fd) }()
	err := w.toRoot()
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

// A walk opens the directories of a path one after the other. It checks each directory by its descriptor, so nobody can replace
// the directory between the check and the next step.
type walk struct {
	name string
	// fd is the directory that the walk has reached.
	fd int
	// at is the path of fd.
	at string
	// rest are the components of the path that are left.
	rest []string
	// links is the number of symbolic links so far.
	links int
}

// toRoot starts the walk, or goes on with an absolute link.
func (w *walk) toRoot() (err error) {
	unix.Close(w.fd)
	w.at = "/"
	w.fd, err = unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	return os.NewSyscallError("open /", err)
}

// step checks the directory that the walk has reached, and goes on to the next component or follows a link.
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
	w.rest = slices.Concat(components(target), w.rest)
	if filepath.IsAbs(target) {
		return w.toRoot()
	}
	return nil
}

// components returns the components of a path.
func components(name string) []string {
	return slices.DeleteFunc(strings.Split(name, "/"), func(part string) bool { return part == "" || part == "." })
}

// linkOf returns the target of a symbolic link, and "" for any other file. It refuses a link of another user, because the owner of
// a link decides where the link leads.
func linkOf(fd int, name string) (string, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return "", fmt.Errorf("stat %s: %w", name, err)
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFLNK {
		return "", nil
	}
	if !above(&stat) {
		return "", fmt.Errorf("%s is a symbolic link of user %d, who can change where it leads (choose a directory that only root can replace)", name, stat.Uid)
	}
	buffer := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buffer)
	if err != nil {
		return "", fmt.Errorf("read the link %s: %w", name, err)
	}
	return string(buffer[:n]), nil
}

// ours reports whether a file belongs to root or to us.
func ours(stat *unix.Stat_t) bool { return stat.Uid == 0 || int(stat.Uid) == os.Geteuid() }

// above reports whether a directory above ours, or a link to ours, belongs to root or to us. In a user namespace the host's root has no ID,
// like all other users that the namespace does not know: package rootless looks at the directories before.
func above(stat *unix.Stat_t) bool { return ours(stat) || stat.Uid == nobody && namespace.Nested() }

// nobody is the owner of a file whose real owner has no ID in the user namespace. proc_sys_kernel(5), overflowuid
const nobody = 65534

// writable are the permissions of other users to write.
const writable = unix.S_IWGRP | unix.S_IWOTH

// checkAbove refuses a directory in which other users can rename our files. In a sticky directory they cannot.
func checkAbove(fd int, name string) error {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return fmt.Errorf("stat %s: %w", name, err)
	}
	switch {
	case stat.Mode&unix.S_IFMT != unix.S_IFDIR:
		return &os.PathError{Op: "open", Path: name, Err: unix.ENOTDIR}
	case !above(&stat):
		return fmt.Errorf("%s belongs to user %d, who can replace its contents (choose a directory that only root can replace)", name, stat.Uid)
	case stat.Mode&writable != 0 && stat.Mode&unix.S_ISVTX == 0:
		return fmt.Errorf("other users can write to %s and replace its contents (chmod go-w %[1]s, or chmod +t %[1]s)", name)
	}
	return nil
}

// Check refuses an open file or directory that belongs to another user, or that other users can write to.
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

// Below opens a directory in an open directory. It refuses what Check refuses.
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

// ReadFile reads a file in an open directory. It refuses what Check refuses, and does not wait for a FIFO.
func ReadFile(dir int, name string) ([]byte, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return nil, &os.PathError{Op: "stat", Path: name, Err: err}
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	if err := Check(fd, name); err != nil {
		return nil, err
	}
	content := make([]byte, stat.Size)
	for at := 0; ; {
		n, err := unix.Read(fd, content[at:])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, &os.PathError{Op: "read", Path: name, Err: err}
		case n == 0:
			return content[:at], nil
		}
		at += max(n, 0)
	}
}
