//go:build linux

package container

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/owned"
)

// logName is the directory, in the storage of a detached container, with its log: see package logs.
const logName = "log"

// MakeLog makes the directory for the log, and opens it.
func (r *Run) MakeLog() (*os.File, error) {
	dir, err := r.openOwn()
	if err != nil {
		return nil, err
	}
	defer unix.Close(dir)
	if err := unix.Mkdirat(dir, logName, 0o700); err != nil {
		return nil, &os.PathError{Op: "mkdir", Path: filepath.Join(r.storage(), logName), Err: err}
	}
	return r.openLog(dir)
}

// OpenLog opens the directory with the log of a container, and says whether the container has ended.
func OpenLog(root, id string) (log *os.File, ended bool, err error) {
	// One that is being made has no log yet: we wait for the lock.
	c, err := Open(root, id)
	if err != nil {
		return nil, false, err
	}
	defer c.Close()
	if !c.Logged {
		return nil, false, fmt.Errorf("container %s has no log: its output went to whoever started it (run -d keeps a log)", id)
	}
	dir, err := c.openOwn()
	if err != nil {
		return nil, false, err
	}
	defer unix.Close(dir)
	log, err = c.openLog(dir)
	return log, c.Status == specs.StateStopped, err
}

func (c *Container) openLog(dir int) (*os.File, error) {
	log, err := owned.Below(dir, logName)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(log), filepath.Join(c.storage(), logName)), nil
}
