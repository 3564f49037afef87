package live

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// hold opens a file and locks it until this process ends. If another process has the lock, hold waits in the background. Then it calls
// then.
func hold(path string, then func()) error {
	// An os.File would be closed, and unlocked, as soon as nothing refers to it. The file may belong to root, after a sudo make watch, so
	// it is not opened for writing.
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CREAT|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	go func() {
		if unix.Flock(fd, unix.LOCK_EX) == nil {
			then()
		}
	}()
	return nil
}

// held reports whether a process holds the lock of a file. Many can ask at the same time, because they share the lock for a moment.
func held(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	return unix.Flock(int(file.Fd()), unix.LOCK_SH|unix.LOCK_NB) == unix.EWOULDBLOCK
}

// Watch says that a watch is running in the workshop at top, until this process ends. Check says that a check is running.
func Watch(top string) error { return hold(filepath.Join(top, watchLock), func() {}) }
func Check(top string) error { return hold(filepath.Join(top, checkLock), func() {}) }

// Serve says that the pages are at the address, until this process ends. Of two servers, the first counts.
func Serve(top, address string) error {
	path := filepath.Join(top, serverFile)
	return hold(path, func() { os.WriteFile(path, []byte(address+"\n"), 0o644) })
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
