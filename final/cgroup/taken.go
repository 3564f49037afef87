//go:build linux

package cgroup

import (
	"fmt"
	"slices"
)

// CheckFree refuses a cgroup that is there already and cannot be ours: one with processes, and one that is frozen. A cgroup that is
// not there is free. The limits of a shared cgroup would be ours as well, and whoever ends it would end us. OCI config-linux.md,
// "Control groups"
func (c *Cgroup) CheckFree() error {
	for i := range c.Dirs {
		if err := c.Dirs[i].checkEmpty(); err != nil {
			return err
		}
	}
	return c.checkThawed()
}

// checkEmpty refuses a cgroup that has processes, or has cgroups below it with processes.
func (d *Dir) checkEmpty() error {
	procs, err := procsBelow(d.Path)
	if err != nil {
		return err
	}
	if len(procs) > 0 {
		return fmt.Errorf("container's cgroup is not empty: %d processes are in %s (perhaps of a container under another --root; if not, choose another linux.cgroupsPath)", len(procs), d.Path)
	}
	return nil
}

// checkThawed refuses a cgroup whose processes would not run: it is frozen, or one above it is.
func (c *Cgroup) checkThawed() error {
	for i := range c.Dirs {
		d := &c.Dirs[i]
		if d.Version == 1 && !slices.Contains(d.Controllers, "freezer") {
			continue
		}
		state, err := d.freezeState()
		if IsGone(err) {
			continue
		}
		if err != nil {
			return err
		}
		if state != thawed {
			return fmt.Errorf("container's cgroup unexpectedly frozen: %s (thaw this cgroup, or the frozen cgroup above it)", d.Path)
		}
	}
	return nil
}
