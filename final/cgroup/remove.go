//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"golang.org/x/sys/unix"
)

// Remove removes the directories that Make has made, and the directories that the container has made below. Kill the processes before:
// Remove waits up to five seconds until they are gone. Remove leaves a directory above the cgroup if others use it by now, and succeeds if
// all directories are gone. It stops a scope first. rmdir(2), cgroups(7)
func (c *Cgroup) Remove() error {
	if c.scope != nil {
		return nil
	}
	deadline := time.Now().Add(patience)
	var errs []error
	if c.Unit != "" {
		errs = append(errs, c.stopScope(deadline))
	}
	for i := range c.Dirs {
		d := &c.Dirs[i]
		if d.Made == "" && c.Unit == "" {
			continue
		}
		errs = append(errs, d.remove(deadline))
		if above := path.Dir(d.Path); c.Unit != "" && path.Base(above) == c.Unit {
			// systemd could not remove this directory before ours below.
			_ = unix.Rmdir(above)
		}
	}
	return errors.Join(errs...)
}

func (d *Dir) remove(deadline time.Time) error {
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, 10*time.Millisecond) {
		err := removeTree(d.Path)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("remove cgroup: %w", err)
		}
		if !time.Now().Before(deadline) {
			procs, _ := readProcs(d.Path)
			return fmt.Errorf("remove cgroup: %w (processes are still in it: %v)", err, procs)
		}
		time.Sleep(pause)
	}
	if d.Made == "" {
		return nil
	}
	dirs := d.lineage()
	for i := len(dirs) - 2; i > 0 && dirs[i+1] != d.Made; i-- {
		// Whoever was killed while it made these directories may have made only the upper ones.
		if err := unix.Rmdir(dirs[i]); err != nil && err != unix.ENOENT {
			break
		}
	}
	return nil
}

// removeTree removes a cgroup with the cgroups below. Most containers make no cgroups, so removeTree tries the cgroup itself first.
func removeTree(dir string) error {
	err := rmdir(dir)
	if errors.Is(err, unix.EBUSY) || errors.Is(err, unix.ENOTEMPTY) {
		return walk(dir, rmdir)
	}
	return err
}

func rmdir(dir string) error {
	if err := unix.Rmdir(dir); err != nil && err != unix.ENOENT {
		return &fs.PathError{Op: "rmdir", Path: path.Clean(dir), Err: err}
	}
	return nil
}
