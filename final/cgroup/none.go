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

	"container-workshop/final/cgroup/limit"
)

// None is the mode of a container without cgroups, because whoever makes the container has no right to make cgroups.
const None Mode = "none"

// Without returns no cgroup: there is nothing to make, to join and to remove. It refuses limits.
func Without() *Cgroup { return &Cgroup{Mode: None} }

// ErrNone says that a container has no cgroups.
var ErrNone = errors.New("the container has no cgroups, because the host gives you none")

// checkNone refuses limits for a container without cgroups.
func (c *Cgroup) checkNone(r *specs.LinuxResources) error {
	if c.Mode != None {
		return nil
	}
	if field := limit.First(r); field != "" {
		return limit.Refuse(field, "%v", ErrNone)
	}
	return nil
}

// Optional is New for an ordinary user, and for a configuration that does not say where the cgroups of the container are. They are below the
// cgroup of this process, or next to it: see New. If the user may not make them there, the container stays in the cgroups of this process,
// and refused says why. With version 1, only root can make cgroups. But limits that the configuration asks for need cgroups.
// cgroups(7), "Cgroups v2 delegation"
func Optional(id string, resources *specs.LinuxResources) (c *Cgroup, refused, err error) {
	c, err = New(id, resources)
	if err == nil {
		refused = c.MayMake()
	}
	field := limit.First(resources)
	switch {
	case err == nil && refused == nil:
		return c, nil, nil
	case field == "":
		return Without(), errors.Join(err, refused), nil
	case err != nil:
		return nil, nil, err
	}
	return nil, nil, limit.Refuse(field, "%w: %w (on version 2, let systemd delegate cgroups to the user; on version 1, leave out the limit)", ErrNone, refused)
}

// callers are the cgroups of this process. A container without cgroups sees these, because their limits hold for it.
func callers() []Dir {
	_, trees, err := findTrees(sysfs)
	if err != nil {
		return nil
	}
	// If a mount does not show the cgroup of this process, all that it shows is the root of that mount.
	_ = findOwn(trees, procSelf)
	dirs := make([]Dir, len(trees))
	for i, t := range trees {
		dirs[i] = Dir{Name: t.name, Version: t.version, Controllers: t.controllers, Mount: t.mount, Path: path.Join(t.mount, t.own)}
	}
	return dirs
}

// MayMake returns an error if this process may not make the cgroup. Make would find that out too late for a choice.
func (c *Cgroup) MayMake() error {
	for i := range c.Dirs {
		dirs := c.Dirs[i].lineage()
		for last := len(dirs) - 1; last > 0; last-- {
			above := dirs[last-1]
			err := unix.Faccessat2(unix.AT_FDCWD, above, unix.W_OK, unix.AT_EACCESS)
			if err == nil {
				break
			}
			if err != unix.ENOENT {
				return &os.PathError{Op: "mkdir", Path: dirs[last], Err: err}
			}
		}
	}
	if d := c.unified(); d != nil && c.Mode == V2 {
		// To move a process, one has to be allowed to write to the cgroup above both places. cgroup-v2.rst, "Delegation Containment"
		dirs := d.lineage()
		if err := unix.Faccessat2(unix.AT_FDCWD, dirs[len(dirs)-2]+"/cgroup.procs", unix.W_OK, unix.AT_EACCESS); err != nil {
			return fmt.Errorf("move a process: %w", &os.PathError{Op: "write", Path: dirs[len(dirs)-2] + "/cgroup.procs", Err: err})
		}
	}
	return nil
}

// Available are the controllers of version 2 that a new cgroup may have. A cgroup has only controllers that the cgroup above gives to its
// children, and a user may change that only in the cgroups of the user.
func (c *Cgroup) Available() ([]string, error) {
	d := c.unified()
	if d == nil {
		return nil, nil
	}
	above := path.Dir(d.Path)
	if c.scope != nil {
		// The slices between systemd and the scope get controllers when the scope starts.
		above = strings.TrimSuffix(d.Path, c.scope.Scope.Dir)
	}
	return readWords(path.Join(above, "cgroup.controllers"))
}
