//go:build linux

package image

import (
	"golang.org/x/sys/unix"

	"container-workshop/final/alive"
	"container-workshop/final/owned"
)

// First is a file in the storage of a container, with a note of process 1: see [alive.Note].
const First = "first"

// Busy reports whether a container still uses its storage, which is the open directory. So a container that goes on without its state is
// found. first is process 1, and 0 if process 1 does not run yet, or no more, or if an earlier final has not written it down.
//
// Without process 1 a lock says that somebody is at work: run holds a lock on the directory, and the monitor of a detached container on the
// log. flock(2)
func Busy(dir int) (first int, busy bool) {
	note, _ := owned.ReadFile(dir, First)
	if first = alive.Noted(note); first != 0 {
		return first, true
	}
	for _, name := range []string{".", "log"} {
		fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		// Others who look share their lock with us.
		err = unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB)
		unix.Close(fd)
		if err == unix.EWOULDBLOCK {
			return 0, true
		}
	}
	return 0, false
}
