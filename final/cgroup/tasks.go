//go:build linux

package cgroup

import (
	"path"
	"slices"
)

// Tasks returns the files by which a thread joins the cgroups of version 1 itself, by writing 0: the memory controller's comes
// last. Unlike any other move this one takes no lock that makes the kernel wait for a grace period of RCU, for 5 to 20 ms.
// What was the first thread of a process is all that is left of it after execve. A scope of systemd's has none, see NewSystemd.
// cgroups(7), kernel/cgroup/cgroup.c: cgroup_procs_write_start
func (c *Cgroup) Tasks() []string {
	if c.Unit != "" {
		return nil
	}
	memory := c.DirOf("memory")
	var files []string
	for i := range c.Dirs {
		if d := &c.Dirs[i]; d.Version == 1 && d != memory {
			files = append(files, path.Join(d.Path, "tasks"))
		}
	}
	if memory != nil && memory.Version == 1 {
		files = append(files, path.Join(memory.Path, "tasks"))
	}
	return files
}

// NeedsJoin reports whether there is a cgroup that Tasks does not join: one of version 2, or of systemd's.
func (c *Cgroup) NeedsJoin() bool {
	return c.Unit != "" || slices.ContainsFunc(c.Dirs, func(d Dir) bool { return d.Version == 2 })
}

// JoinRest is Join for the cgroups that Tasks does not join. There may be none.
func (c *Cgroup) JoinRest(pid int) error {
	if c.Unit != "" {
		return c.Join(pid)
	}
	rest := *c
	rest.Dirs = slices.DeleteFunc(slices.Clone(c.Dirs), func(d Dir) bool { return d.Version == 1 })
	return rest.Join(pid)
}
