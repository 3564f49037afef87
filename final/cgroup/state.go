//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Check refuses a Cgroup from a state file if its directories are not cgroups of this host: we write files there, kill the processes
// there, and remove the directories.
func (c *Cgroup) Check() error {
	if c.Mode == None && len(c.Dirs) == 0 && c.Unit == "" {
		return nil
	}
	if len(c.Dirs) == 0 {
		return errors.New("the cgroup has no directory")
	}
	for i := range c.Dirs {
		d := &c.Dirs[i]
		if err := d.check(); err != nil {
			return err
		}
		if c.Unit != "" && c.Unit != path.Base(d.Path) && c.Unit != path.Base(path.Dir(d.Path)) {
			return fmt.Errorf("the cgroup %s does not belong to the unit %q", d.Path, c.Unit)
		}
	}
	if c.Unit != "" && !strings.HasSuffix(c.Unit, ".scope") {
		return fmt.Errorf("the unit %q is not a scope", c.Unit)
	}
	return nil
}

// check looks at the type of the file system. A cgroup file system has no symbolic links, which could lead elsewhere.
func (d *Dir) check() error {
	wanted := map[int]int64{1: unix.CGROUP_SUPER_MAGIC, 2: unix.CGROUP2_SUPER_MAGIC}[d.Version]
	if d.Mount != sysfs && !isBelow(d.Mount, sysfs) || wanted == 0 || magic(d.Mount) != wanted {
		return fmt.Errorf("%q is not a cgroup tree of version %d", d.Mount, d.Version)
	}
	if found := magic(d.Path); !isBelow(d.Path, d.Mount) || found != 0 && found != wanted {
		return fmt.Errorf("%q is not a cgroup below %s", d.Path, d.Mount)
	}
	if d.Made != "" && (!isBelow(d.Made, d.Mount) || d.Made != d.Path && !isBelow(d.Path, d.Made)) {
		return fmt.Errorf("%q is not above the cgroup %s", d.Made, d.Path)
	}
	return nil
}

func isBelow(name, dir string) bool {
	return path.Clean(name) == name && strings.HasPrefix(name, dir+"/")
}

// Find finds the cgroup of a container whose state is lost, by the configuration alone. It also looks where systemd would have made the
// cgroup. Find returns nil if there is no cgroup.
func Find(cgroupsPath, id string, resources *specs.LinuxResources) (*Cgroup, error) {
	place := cgroupsPath
	if place == "" {
		place = "/" + id
	}
	c, err := New(place, resources)
	if err != nil {
		return nil, err
	}
	if found := c.existing(); found != nil {
		return found, nil
	}
	if cgroupsPath == "" || strings.Count(cgroupsPath, ":") == 2 {
		if c, err := NewSystemd(cgroupsPath, id, resources); err == nil {
			c.scope = nil
			if found := c.existing(); found != nil {
				return found, nil
			}
		}
	}
	if !path.IsAbs(place) {
		return nil, fmt.Errorf("the cgroup %s is not here, and its path depends on where the container was created", cgroupsPath)
	}
	return nil, nil
}

// existing returns the directories that exist, for Remove, or nil if there is none.
func (c *Cgroup) existing() *Cgroup {
	found := *c
	found.Dirs = nil
	for _, d := range c.Dirs {
		if _, err := os.Stat(d.Path); !errors.Is(err, os.ErrNotExist) {
			d.Made = d.Path
			found.Dirs = append(found.Dirs, d)
		}
	}
	if len(found.Dirs) == 0 {
		return nil
	}
	return &found
}
