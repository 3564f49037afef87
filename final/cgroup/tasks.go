//go:build linux

package cgroup

import (
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// Tasks returns the files by which a thread joins the cgroups of version 1 itself, by writing 0: the memory controller's comes
// last. Unlike any other move this one takes no lock that makes the kernel wait for a grace period of RCU, for 5 to 20 ms.
// What was the first thread of a process is all that is left of it after execve. It returns nothing on a host with version 2
// only: there it is Join that moves. cgroups(7), kernel/cgroup/cgroup.c: cgroup_procs_write_start
func (c *Cgroup) Tasks() []string {
	memory := c.dirOf("memory")
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

// Unified opens the cgroup of version 2 for a process to be cloned into, without any wait, or returns nil if that is not to
// be: with version 2 only it has the memory controller, and what the runtime takes would count. CLONE_INTO_CGROUP, clone(2)
func (c *Cgroup) Unified() (*os.File, error) {
	if c.Mode == V2 {
		return nil, nil
	}
	for _, d := range c.Dirs {
		if d.Version == 2 {
			return os.OpenFile(d.Path, unix.O_PATH|unix.O_DIRECTORY, 0)
		}
	}
	return nil, nil
}
