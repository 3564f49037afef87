//go:build linux

package terminal

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// hasReader reports whether the command waits for a key: the kernel tells in which system call a process is, and with which
// arguments. If the call is read(2), and its descriptor is a terminal, the command waits for a key. hasReader looks only at the leader
// of the process group in the foreground. It cannot see a program that waits in poll(2), or that joined the group later: such a program
// waits until the user types fg. proc_pid_syscall(5)
func (c *Connection) hasReader() bool {
	leader := c.Foreground()
	if leader == 0 {
		return false
	}
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", leader))
	call := strings.Fields(string(text))
	if len(call) < 2 || call[0] != strconv.Itoa(unix.SYS_READ) {
		return false
	}
	fd, err := strconv.ParseUint(call[1], 0, 32)
	if err != nil {
		return false
	}
	file, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", leader, fd))
	return strings.HasPrefix(file, "/dev/pts/") || file == "/dev/console" || file == "/dev/tty"
}
