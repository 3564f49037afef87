//go:build linux

package image

import (
	"bytes"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// AfterRestart removes what a power failure may have left incomplete: everything that belongs to no image yet. An image is written to the
// disk before it gets its name, all of it at once. So within one run of the host the files of images that are not complete are right, and
// afterwards they may not be. Whoever adds images calls AfterRestart first.
func (s *Store) AfterRestart() error {
	now, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return err
	}
	if was, err := os.ReadFile(s.path("boot")); err == nil && bytes.Equal(was, now) {
		return nil
	}
	lock, err := s.lock("lock", unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if was, err := os.ReadFile(s.path("boot")); err == nil && bytes.Equal(was, now) {
		return nil
	} else if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if _, err := s.collect(); err != nil {
		return err
	}
	return s.write("boot", now)
}
