//go:build linux

package inside

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxPasswd is how much of the container's /etc/passwd is read, in bytes.
const maxPasswd = 1 << 20

// setHome sets HOME to that of the user, if the configuration does not say, or says nothing: callers count on it. It is / for one that
// the container's /etc/passwd does not have. passwd(5)
func (c *container) setHome() error {
	const home = "HOME="
	c.command.env = slices.DeleteFunc(c.command.env, func(variable string) bool { return variable == home })
	if slices.ContainsFunc(c.command.env, func(variable string) bool { return strings.HasPrefix(variable, home) }) {
		return nil
	}
	dir := "/"
	for line := range bytes.Lines(c.readSmall("/etc/passwd", maxPasswd)) {
		fields := bytes.Split(line, []byte(":"))
		if len(fields) > 5 && string(fields[2]) == strconv.FormatUint(uint64(c.User.UID), 10) && len(fields[5]) > 0 {
			dir = string(bytes.ReplaceAll(fields[5], []byte{0}, nil))
			break
		}
	}
	c.command.env = append(c.command.env, home+dir)
	return nil
}

// readSmall returns the beginning of a regular file of the container, and nothing for any other: to open that could wait, or do
// something.
func (c *container) readSmall(name string, limit int) []byte {
	place, err := c.tree.Open(name, unix.O_PATH, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(place)
	var stat unix.Stat_t
	if unix.Fstat(place, &stat) != nil || stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil
	}
	fd, err := unix.Openat(c.proc, fmt.Sprintf("self/fd/%d", place), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	content := make([]byte, min(int(stat.Size), limit))
	n, err := unix.Read(fd, content)
	if err != nil {
		return nil
	}
	return content[:n]
}
