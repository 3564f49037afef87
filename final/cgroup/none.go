//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"os"

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
	for version := 1; version <= 2; version++ {
		if limits := limit.Of(version, r); len(limits) > 0 {
			return limit.Refuse(limits[0].Field, "%v", ErrNone)
		}
	}
	return nil
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
