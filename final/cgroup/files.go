//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// writeFile writes to a file that exists. os.WriteFile would not do: a cgroup file system answers EACCES to O_CREAT when the file is
// missing.
func writeFile(file, value string) error {
	fd, err := unix.Open(file, unix.O_WRONLY|unix.O_TRUNC|unix.O_CLOEXEC, 0)
	for err == unix.EINTR {
		fd, err = unix.Open(file, unix.O_WRONLY|unix.O_TRUNC|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return &fs.PathError{Op: "open", Path: file, Err: err}
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(value))
	for err == unix.EINTR {
		_, err = unix.Write(fd, []byte(value))
	}
	if err != nil {
		return &fs.PathError{Op: "write", Path: file, Err: err}
	}
	return nil
}

// readFile reads a file of the kernel. os.ReadFile would make five more calls for each file, to ask epoll(7) about it.
func readFile(file string) ([]byte, error) {
	fd, err := unix.Open(file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	for err == unix.EINTR {
		fd, err = unix.Open(file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: file, Err: err}
	}
	defer unix.Close(fd)
	text := make([]byte, 0, 4096)
	for {
		n, err := unix.Read(fd, text[len(text):cap(text)])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, &fs.PathError{Op: "read", Path: file, Err: err}
		case n == 0:
			return text, nil
		default:
			text = slices.Grow(text[:len(text)+n], 512)
		}
	}
}

// readWords reads a file of words.
func readWords(file string) ([]string, error) {
	text, err := readFile(file)
	return strings.Fields(string(text)), err
}

// readNumber reads a file of one number. It returns -1 for no limit, which the kernel writes as "max" or as a huge number.
func readNumber(file string) (int64, error) {
	text, err := readFile(file)
	if err != nil {
		return 0, err
	}
	word := strings.TrimSpace(string(text))
	if word == "max" {
		return -1, nil
	}
	n, err := strconv.ParseInt(word, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	if n > math.MaxInt64-1<<20 {
		return -1, nil
	}
	return n, nil
}

// Field returns the number behind a key, in a text with one key and one number on each line. It returns 0 if the key is missing.
func Field(text, key string) uint64 {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, key+" "); ok {
			n, _ := strconv.ParseUint(strings.TrimSpace(value), 10, 64)
			return n
		}
	}
	return 0
}

// IsGone reports whether an error means that the cgroup has been removed. If that happens between open and read, the kernel answers
// ENODEV to read.
func IsGone(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) }

const needsRoot = "you need root, and a cgroup file system that is mounted read-write"

// advise adds advice to an error whose errno says little about cgroups.
func advise(err error, advice map[unix.Errno]string) error {
	var errno unix.Errno
	if errors.As(err, &errno) && advice[errno] != "" {
		return fmt.Errorf("%w (%s)", err, advice[errno])
	}
	return err
}
