//go:build linux

package image

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Busy reports whether a process holds a lock in the storage of a container, which is the open directory, and which process: run holds a lock
// on the directory, and the monitor of a detached container on the log. So a container that goes on without its state is found. The process
// is 0 if nobody here can see it. flock(2), proc_locks(5)
func Busy(dir int) (holder int, busy bool) {
	for _, name := range []string{".", "log"} {
		fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		defer unix.Close(fd)
		// Others who look share their lock with us.
		if unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB) != unix.EWOULDBLOCK {
			continue
		}
		busy = true
		// A monitor that becomes a list gives up the lock on the directory.
		if holder = holderOf(fd); holder != 0 {
			break
		}
	}
	return holder, busy
}

// holderOf finds the process that has locked a file.
func holderOf(fd int) int {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return 0
	}
	file := fmt.Sprintf("%02x:%02x:%d", unix.Major(stat.Dev), unix.Minor(stat.Dev), stat.Ino)
	locks, _ := os.ReadFile("/proc/locks")
	for line := range strings.Lines(string(locks)) {
		// 1: FLOCK  ADVISORY  WRITE 4711 fe:00:131 0 EOF
		if fields := strings.Fields(line); len(fields) > 5 && fields[1] == "FLOCK" && fields[5] == file {
			pid, _ := strconv.Atoi(fields[4])
			return pid
		}
	}
	return 0
}
