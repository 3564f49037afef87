//go:build linux

package spec

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// OpenInput opens a file of the caller's to read. A FIFO in its place would keep us waiting until somebody opens the other end, and to
// open a device can do something. What the caller has open already may be anything, named - or by its number.
func OpenInput(name string) (io.ReadCloser, error) {
	// This opens nothing yet. open(2), O_PATH
	place, err := unix.Open(name, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(place)
	var stat unix.Stat_t
	if err := unix.Fstat(place, &stat); err != nil {
		return nil, &os.PathError{Op: "stat", Path: name, Err: err}
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFREG && DescriptorOf(name) == -1 {
		return nil, fmt.Errorf("%s: must be a regular file (or a descriptor, such as /dev/fd/3)", name)
	}
	fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", place), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// DescriptorOf returns the number of the descriptor that a path such as /dev/fd/3 stands for, and -1 for any other path.
// proc_pid_fd(5)
func DescriptorOf(name string) int {
	name = filepath.Clean(name)
	if fd := slices.Index([]string{"/dev/stdin", "/dev/stdout", "/dev/stderr"}, name); fd >= 0 {
		return fd
	}
	dir, base := filepath.Split(name)
	fd, err := strconv.ParseUint(base, 10, 31)
	if err != nil || dir != "/dev/fd/" && dir != "/proc/self/fd/" {
		return -1
	}
	return int(fd)
}
