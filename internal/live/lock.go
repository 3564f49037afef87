package live

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// hold opens a file and locks it until this process ends. It waits for the lock in the background, because another process may hold
// the lock for a moment or for long. Then it calls then with the descriptor. Processes that share can hold the lock together.
func hold(path string, share bool, then func(fd int)) error {
	access, how := unix.O_RDWR, unix.LOCK_EX
	if share {
		// The file may belong to root, after a sudo make watch.
		access, how = unix.O_RDONLY, unix.LOCK_SH
	}
	// An os.File would be closed, and unlocked, as soon as nothing refers to it.
	fd, err := unix.Open(path, access|unix.O_CREAT|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	go func() {
		if unix.Flock(fd, how) == nil {
			then(fd)
		}
	}()
	return nil
}

// held reports whether a process holds the lock of a file.
func held(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	return unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) == unix.EWOULDBLOCK
}

// Watch says that a watch is running in the workshop at top, until this process ends. Check says that a check is running.
func Watch(top string) error { return hold(filepath.Join(top, watchLock), true, func(int) {}) }
func Check(top string) error { return hold(filepath.Join(top, checkLock), true, func(int) {}) }

// Serve says that the pages are at the address, until this process ends. Of two servers, the first counts.
func Serve(top, address string) error {
	return hold(filepath.Join(top, serverFile), false, func(fd int) {
		unix.Ftruncate(fd, 0)
		unix.Pwrite(fd, []byte(address+"\n"), 0)
	})
}

// Address returns the address of the running server, such as http://127.0.0.1:8015/, or "" if there is none.
func Address(top string) string {
	path := filepath.Join(top, serverFile)
	if !held(path) {
		return ""
	}
	text, _ := os.ReadFile(path)
	return strings.TrimSpace(string(text))
}
