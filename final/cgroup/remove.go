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

// patience is how long the kernel may take to be done with processes that are being killed, or frozen.
const patience = 5 * time.Second

// Remove removes the directories that Create has made, and what the container has made below them. It waits for up to five
// seconds while there are processes in them, which must have been killed before. Directories that are gone are no error, nor are
// directories above the cgroup that others use by now. A scope of systemd's is stopped before. rmdir(2), cgroups(7)
func (c *Cgroup) Remove() error {
	deadline := time.Now().Add(patience)
	var errs []error
	if c.scope != nil {
		return nil
	}
	if c.Unit != "" {
		errs = append(errs, c.stopScope(deadline))
	}
	for i := range c.Dirs {
		// What is left of a unit is ours.
		if c.Dirs[i].Made != "" || c.Unit != "" {
			errs = append(errs, c.Dirs[i].remove(deadline))
			if above := path.Dir(c.Dirs[i].Path); c.Unit != "" && path.Base(above) == c.Unit {
				// systemd could not, as ours was in it.
				_ = unix.Rmdir(above)
			}
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
		if unix.Rmdir(dirs[i]) != nil {
			break
		}
	}
	return nil
}

// removeTree tries the directory itself first: most containers make no cgroups of their own. The files in it go with it.
func removeTree(dir string) error {
	err := unix.Rmdir(dir)
	if err == nil || err == unix.ENOENT {
		return nil
	}
	if err != unix.EBUSY && err != unix.ENOTEMPTY {
		return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
	}
	return walk(dir, func(dir string) error {
		if err := unix.Rmdir(dir); err != nil && err != unix.ENOENT {
			return &fs.PathError{Op: "rmdir", Path: path.Clean(dir), Err: err}
		}
		return nil
	})
}
