//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Make makes the directory of the cgroup in every tree, and missing directories above. If one tree fails, Make removes the new
// directories in the others. On version 2, Make enables the controllers that the limits given to New need.
//
// Make takes a directory that exists already, which then stays when the container goes. But it refuses a directory with processes, which
// are of another container, and a frozen cgroup, in which the container could not start.
func (c *Cgroup) Make() error {
	if c.scope != nil {
		return nil
	}
	err := c.makeDirs()
	if err == nil {
		err = c.checkThawed()
	}
	if err == nil {
		err = c.enable(c.needed)
	}
	if err != nil {
		err = errors.Join(err, c.Remove())
	}
	return err
}

func (c *Cgroup) makeDirs() error {
	for i := range c.Dirs {
		d := &c.Dirs[i]
		err := d.make()
		if errors.Is(err, unix.EEXIST) {
			err = d.checkEmpty()
		}
		if err == nil {
			err = d.fillCpuset()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// make makes the directory and missing directories above. It returns EEXIST if the directory exists.
func (d *Dir) make() error {
	err := d.makeLineage()
	for tries := 0; err == unix.ENOENT && tries < 10; tries++ {
		// The end of another container has removed a directory above in the meantime.
		err = d.makeLineage()
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("create cgroup: %w", advise(&fs.PathError{Op: "mkdir", Path: d.Path, Err: err}, map[unix.Errno]string{
		unix.EAGAIN: "a cgroup above has reached its cgroup.max.descendants or cgroup.max.depth",
		unix.EROFS:  needsRoot, unix.EACCES: needsRoot, unix.EPERM: needsRoot,
		unix.ENOENT: "somebody has removed the directory above",
	}))
}

func (d *Dir) makeLineage() error {
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

// Planned returns c as Make will leave it. The caller saves it before Make: if a signal kills the caller during Make, the state says
// what to remove.
func (c *Cgroup) Planned() *Cgroup {
	plan := *c
	plan.Dirs = slices.Clone(c.Dirs)
	for i := range plan.Dirs {
		d := &plan.Dirs[i]
		for _, dir := range d.lineage()[1:] {
			if unix.Access(dir, unix.F_OK) == unix.ENOENT {
				d.Made = dir
				break
			}
		}
	}
	return &plan
}

// CheckFree refuses a cgroup that belongs to others: a cgroup that has processes or is frozen. The container would share the limits of
// these processes and their end. OCI config-linux.md, "Control groups"
func (c *Cgroup) CheckFree() error {
	for i := range c.Dirs {
		if err := c.Dirs[i].checkEmpty(); err != nil {
			return err
		}
	}
	return c.checkThawed()
}

// checkEmpty refuses a cgroup with processes, in it or below.
func (d *Dir) checkEmpty() error {
	procs, err := procsBelow(d.Path)
	if err == nil && len(procs) > 0 {
		err = fmt.Errorf("container's cgroup is not empty: %d processes are in %s (perhaps of a container under another --root; if not, choose another linux.cgroupsPath)", len(procs), d.Path)
	}
	return err
}

// checkThawed refuses a cgroup that is frozen, itself or by a cgroup above.
func (c *Cgroup) checkThawed() error {
	for i := range c.Dirs {
		d := &c.Dirs[i]
		if d.Version == 1 && !slices.Contains(d.Controllers, "freezer") {
			continue
		}
		state, err := d.freezeState()
		if err != nil && !IsGone(err) {
			return err
		}
		if err == nil && state != thawed {
			return fmt.Errorf("container's cgroup unexpectedly frozen: %s (thaw this cgroup, or the frozen cgroup above it)", d.Path)
		}
	}
	return nil
}

// fillCpuset copies the processors and memory nodes of the parent to a cgroup that has none, and first to parents that have none. On
// version 1 a new cgroup has none, and no process can join it. cpuset(7)
func (d *Dir) fillCpuset() error {
	if !slices.Contains(d.Controllers, "cpuset") {
		return nil
	}
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		if _, err := filled(d.lineage(), name); err != nil {
			return fmt.Errorf("copy the cpuset of the parent cgroup: %w", err)
		}
	}
	return nil
}

// filled returns the content of a file of the last directory, after it has filled an empty file from the directory above. The first
// directory is the root of the tree, whose file is never empty.
func filled(dirs []string, name string) (string, error) {
	last := path.Join(dirs[len(dirs)-1], name)
	content, err := readFile(last)
	value := strings.TrimSpace(string(content))
	if err != nil || value != "" || len(dirs) == 1 {
		return value, err
	}
	if value, err = filled(dirs[:len(dirs)-1], name); err != nil {
		return "", err
	}
	return value, writeFile(last, value)
}
