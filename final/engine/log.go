//go:build linux

package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/container"
	"container-workshop/final/owned"
)

// logName is the directory of a log, in the storage of a detached container. See package logs.
const logName = "log"

// makeLog makes the directory for the log of a container, and opens it.
func makeLog(id string) (*os.File, error) {
	dir, err := openDirectory(id)
	if err != nil {
		return nil, err
	}
	defer unix.Close(dir)
	if err := unix.Mkdirat(dir, logName, 0o700); err != nil {
		return nil, &os.PathError{Op: "mkdir", Path: filepath.Join(directory(id), logName), Err: err}
	}
	return openLog(dir, id)
}

// OpenLog opens the directory with the log of a container, and says whether the container has ended.
func OpenLog(store *container.Store, id string) (log *os.File, ended bool, err error) {
	// A container that is being made has no log yet: Open waits for the lock.
	c, err := store.Open(id)
	if err != nil {
		return nil, false, err
	}
	defer c.Close()
	if c.Stored {
		if log, err = openLogOf(id); err == nil || !errors.Is(err, os.ErrNotExist) {
			return log, c.Status == specs.StateStopped, err
		}
	}
	return nil, false, fmt.Errorf("container %s has no log: its output went to whoever started it (run -d keeps a log)", id)
}

func openLogOf(id string) (*os.File, error) {
	dir, err := openDirectory(id)
	if err != nil {
		return nil, err
	}
	defer unix.Close(dir)
	return openLog(dir, id)
}

func openLog(dir int, id string) (*os.File, error) {
	log, err := owned.Below(dir, logName)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(log), filepath.Join(directory(id), logName)), nil
}
