//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
)

// Below returns cgroups that the container has made below its own, for a process to join. A place is a path that starts at the cgroup
// of the container. Such a path is for all trees, and has to be the only place. A path behind controllers of version 1, as in
// "cpu,cpuacct:a/b", is for their trees. Without places, Below returns the cgroup of the container.
func (c *Cgroup) Below(places []string) (*Cgroup, error) {
	below := *c
	below.Dirs = slices.Clone(c.Dirs)
	below.exact = len(places) > 0
	for _, place := range places {
		controllers, name, hasControllers := strings.Cut(place, ":")
		var err error
		switch {
		case hasControllers:
			err = below.moveDown(c, strings.Split(controllers, ","), name)
		case len(places) > 1:
			err = errors.New("must be CONTROLLER:PATH, because there are several")
		default:
			err = below.moveDown(c, nil, place)
		}
		if err != nil {
			return nil, fmt.Errorf("--cgroup %q: %w", place, err)
		}
	}
	return &below, nil
}

// moveDown replaces the directories of some controllers, nil for all, by directories below.
func (c *Cgroup) moveDown(from *Cgroup, controllers []string, name string) error {
	if slices.Contains(strings.Split(name, "/"), "..") {
		return errors.New("bad sub cgroup path: '..' must not lead out of the container's cgroup")
	}
	for _, controller := range controllers {
		if !slices.ContainsFunc(c.Dirs, func(d Dir) bool { return d.hasController(controller) }) {
			return fmt.Errorf("unknown controller %q: no cgroup of version 1 has it (on version 2, leave the controller out)", controller)
		}
	}
	for i := range c.Dirs {
		d := &c.Dirs[i]
		if controllers != nil && !slices.ContainsFunc(controllers, d.hasController) {
			continue
		}
		below := path.Join(from.Dirs[i].Path, name)
		if d.Path != from.Dirs[i].Path && d.Path != below {
			return fmt.Errorf("a process has only one cgroup in each tree: choose %s or %s", d.Path, below)
		}
		if _, err := os.Lstat(below); err != nil {
			return fmt.Errorf("adding pid of the command to a cgroup: %w (create the cgroup first)", err)
		}
		d.Path = below
		// No process can join a cgroup without processors, and the container may not have given it any.
		if err := d.fillCpuset(); err != nil {
			return err
		}
	}
	return nil
}

// hasController reports whether a tree of version 1 has a controller, or the name.
func (d Dir) hasController(controller string) bool {
	return d.Version == 1 && (d.Name == controller || "name="+d.Name == controller || slices.Contains(d.Controllers, controller))
}
