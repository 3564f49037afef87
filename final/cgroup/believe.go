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

// Check refuses a Cgroup from a state file if a directory in it is not a cgroup of this host. We write to files there, kill the
// processes that are named there, and remove the directories.
func (c *Cgroup) Check() error {
	if len(c.Dirs) == 0 {
		return errors.New("the cgroup has no directory")
	}
	for i := range c.Dirs {
		if err := c.Dirs[i].check(); err != nil {
			return err
		}
		if c.Unit != "" && c.Unit != path.Base(c.Dirs[i].Path) && c.Unit != path.Base(path.Dir(c.Dirs[i].Path)) {
			return fmt.Errorf("the cgroup %s does not belong to the unit %q", c.Dirs[i].Path, c.Unit)
		}
	}
	if c.Unit != "" && !strings.HasSuffix(c.Unit, ".scope") {
		return fmt.Errorf("the unit %q is not a scope", c.Unit)
	}
	return nil
}

// check looks at the type of the file system: a file system of cgroups has no symbolic links.
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

// Find finds the cgroup of a container by its configuration alone, for when the state is lost. It returns nil if there is no
// such cgroup. Systemd may have made the cgroup, so Find looks where systemd would have put it, too.
func Find(cgroupsPath, id string, resources *specs.LinuxResources) (*Cgroup, error) {
	plain := cgroupsPath
	if plain == "" {
		plain = "/" + id
	}
	c, err := New(plain, resources)
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
	if !path.IsAbs(plain) {
		return nil, fmt.Errorf("the cgroup %s is not here, and its path depends on where the container was created", cgroupsPath)
	}
	return nil, nil
}

// existing leaves out the directories that are not there. The others are ours to remove.
func (c *Cgroup) existing() *Cgroup {
	found := *c
	found.Dirs = nil
	for _, d := range c.Dirs {
		if _, err := os.Stat(d.Path); errors.Is(err, os.ErrNotExist) {
			continue
		}
		d.Made = d.Path
		found.Dirs = append(found.Dirs, d)
	}
	if len(found.Dirs) == 0 {
		return nil
	}
	return &found
}
