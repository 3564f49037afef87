//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// openInput opens a file of the caller's to read. A FIFO in its place would keep us waiting for somebody to open the other end, and
// reading from a device may do something. What the caller has open already may be anything, named - or by its number.
func openInput(name string) (io.ReadCloser, error) {
	// No path of a descriptor waits.
	file, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, err
	}
	if !info.Mode().IsRegular() && !isDescriptor(name) {
		file.Close()
		return nil, fmt.Errorf("%s: want a regular file (or the number of a descriptor, such as /dev/fd/3)", name)
	}
	return file, nil
}

// isDescriptor reports whether a path is one by which a process names what it has open. proc_pid_fd(5)
func isDescriptor(name string) bool {
	name = filepath.Clean(name)
	return name == "/dev/stdin" || strings.HasPrefix(name, "/dev/fd/") || strings.HasPrefix(name, "/proc/self/fd/")
}
