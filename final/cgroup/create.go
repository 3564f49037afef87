//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Create makes the directory of the cgroup in every tree, and those above it that are missing. If that fails in one tree, it
// removes what it has made in the others. A directory that is there already is used as it is, and stays when the container
// goes. One with processes in it belongs to another container, and one that is frozen would stop the container before it starts:
// both are refused.
//
// On version 2 it has the controllers enabled that the limits given to New need. On version 1 a new cgroup has no processors and
// no memory nodes to run on, so it gets those of its parent, and so does a parent that somebody made and left without.
// cgroups(7), cpuset(7)
func (c *Cgroup) Create() error {
	if c.scope != nil {
		return nil
	}
	err := c.createAll()
	if err != nil {
		err = errors.Join(err, c.Remove())
	}
	return err
}

func (c *Cgroup) createAll() error {
	for i := range c.Dirs {
		if err := c.Dirs[i].create(); err != nil {
			return err
		}
	}
	if err := c.checkThawed(); err != nil {
		return err
	}
	return c.enable(c.needed)
}

func (d *Dir) create() error {
	err := d.make()
	if errors.Is(err, unix.EEXIST) {
		err = d.checkEmpty()
	}
	if err != nil {
		return err
	}
	return d.fillCpuset()
}

// make makes the directory and those above it. It returns EEXIST if the directory is there already.
func (d *Dir) make() error {
	// Most often only the last directory is missing.
	err := unix.Mkdir(d.Path, 0o755)
	if err == nil {
		d.Made = d.Path
	}
	for tries := 0; err == unix.ENOENT && tries < 10; tries++ {
		// Another container may end meanwhile, and take the directory above it with it.
		err = d.createAll()
	}
	if err != nil {
		return d.mkdirError(err)
	}
	return nil
}

// Planned returns c as Create will leave it. We save it first: if we are killed meanwhile, whoever cleans up knows what to remove.
func (c *Cgroup) Planned() *Cgroup {
	plan := *c
	plan.Dirs = slices.Clone(c.Dirs)
	for i := range plan.Dirs {
		d := &plan.Dirs[i]
		for _, dir := range d.lineage()[1:] {
			if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
				d.Made = dir
				break
			}
		}
	}
	return &plan
}

// createAll makes the directory and those above it.
func (d *Dir) createAll() error {
	for _, dir := range d.lineage()[1:] {
		err := unix.Mkdir(dir, 0o755)
		if err == nil && d.Made == "" {
			d.Made = dir
		}
		if err != nil && (err != unix.EEXIST || dir == d.Path) {
			return err
		}
	}
	return nil
}

// lineage returns the directories from the root of the tree to the cgroup.
func (d *Dir) lineage() []string {
	dirs := []string{d.Mount}
	for name := range strings.SplitSeq(strings.TrimPrefix(d.Path, d.Mount+"/"), "/") {
		dirs = append(dirs, path.Join(dirs[len(dirs)-1], name))
	}
	return dirs
}

func (d *Dir) mkdirError(err error) error {
	advice := ""
	switch {
	case err == unix.EAGAIN:
		advice = " (a cgroup above has reached its cgroup.max.descendants or cgroup.max.depth)"
	case err == unix.EROFS || err == unix.EACCES || err == unix.EPERM:
		advice = " (you need root, and a cgroup file system that is mounted read-write)"
	case err == unix.ENOENT:
		advice = " (somebody has removed the directory above)"
	}
	return fmt.Errorf("create cgroup: %w%s", &fs.PathError{Op: "mkdir", Path: d.Path, Err: err}, advice)
}

// counting are the controllers that are of use without a limit: for what they count.
var counting = []string{"cpu", "io", "memory", "pids"}

// enable has every cgroup above ours give its children the needed controllers, and the counting ones where it can. Nothing is
// to be done if we have them already. It does nothing for version 1, where to mount a controller is to enable it.
// cgroup-v2.rst, "Enabling and Disabling"
func (c *Cgroup) enable(needed []string) error {
	d := c.unified()
	if d == nil {
		return nil
	}
	wanted := needed
	if c.Mode == V2 {
		wanted = slices.Concat(needed, counting)
	}
	if len(wanted) == 0 {
		return nil
	}
	if has, err := readWords(path.Join(d.Path, "cgroup.controllers")); err == nil && containsAll(has, wanted) {
		return nil
	}
	dirs := d.lineage()
	for _, dir := range dirs[:len(dirs)-1] {
		if err := enableBelow(dir, needed, wanted); err != nil {
			return err
		}
	}
	return nil
}

// enableBelow gives the children of one cgroup controllers: all that are wanted and available, or at least the needed ones.
func enableBelow(dir string, needed, wanted []string) error {
	available, err := readWords(path.Join(dir, "cgroup.controllers"))
	if err != nil {
		return err
	}
	enabled, err := readWords(path.Join(dir, "cgroup.subtree_control"))
	if err != nil {
		return err
	}
	missing := func(names []string) string {
		var line []string
		for _, name := range names {
			if !slices.Contains(enabled, name) && slices.Contains(available, name) && !slices.Contains(line, "+"+name) {
				line = append(line, "+"+name)
			}
		}
		return strings.Join(line, " ")
	}
	for _, name := range needed {
		if !slices.Contains(available, name) {
			return fmt.Errorf("the %s controller is not available in %s (its cgroup.controllers has: %s)", name, dir, strings.Join(available, " "))
		}
	}
	// The kernel takes all of a line or nothing.
	for _, names := range [][]string{wanted, needed} {
		line := missing(names)
		if line == "" {
			return nil
		}
		err = writeFile(path.Join(dir, "cgroup.subtree_control"), line)
		if err == nil || errors.Is(err, unix.EBUSY) && len(needed) == 0 {
			return nil
		}
		if errors.Is(err, unix.EBUSY) {
			// A cgroup with processes could give its children cpu and pids alone. But then they take threads only, not processes.
			break
		}
	}
	return enableError(dir, missing(needed), err)
}

func containsAll(has, wanted []string) bool {
	for _, name := range wanted {
		if !slices.Contains(has, name) {
			return false
		}
	}
	return true
}

// enableError tells why the children of a cgroup cannot have the controllers that they need.
func enableError(dir, controllers string, err error) error {
	advice := ""
	switch {
	case errors.Is(err, unix.EBUSY):
		advice = " (a cgroup with processes cannot give controllers to its children: move the processes to a child cgroup, or choose another linux.cgroupsPath)"
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS):
		advice = " (you need root, and a cgroup file system that is mounted read-write)"
	case errors.Is(err, unix.EOPNOTSUPP):
		advice = " (a threaded cgroup cannot have all controllers)"
	}
	return fmt.Errorf("enable %s below %s: %w%s", controllers, dir, err, advice)
}
