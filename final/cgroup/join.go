//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"container-workshop/final/cgroup/systemd"
)

// Warm prepares the kernel for moving processes, so that a Join soon afterwards takes microseconds. Otherwise the first move after some
// milliseconds waits for a grace period of RCU, for 5 to 20 ms. Warm does that wait: it moves this process to the cgroup in which the
// process already is. All trees share the lock that this prepares.
//
// Call Warm in its own goroutine, after Make. While Warm waits, it holds a lock of the kernel: no process can make, remove or join a
// cgroup, or read /proc/PID/cgroup. Warm is only an optimisation, so it ignores errors.
//
// See Documentation/RCU/whatisRCU.rst, and cgroup_threadgroup_rwsem in kernel/cgroup/cgroup.c.
func Warm() {
	_, trees, err := findTrees(sysfs)
	if err == nil && findOwn(trees, procSelf) == nil {
		warm(trees)
	}
}

// warm prefers the tree of version 2: on a hybrid host few controllers take part there.
func warm(trees []tree) {
	slices.SortStableFunc(trees, func(a, b tree) int { return b.version - a.version })
	for _, t := range trees {
		if writeFile(path.Join(t.mount, t.own, "cgroup.procs"), "0") == nil {
			return
		}
	}
}

// memoryLast returns the directories in the order in which to join them: the memory that a process has allocated before stays with the
// old cgroup, so everything else comes first.
func (c *Cgroup) memoryLast() []*Dir {
	memory := c.DirOf("memory")
	var dirs []*Dir
	for i := range c.Dirs {
		if d := &c.Dirs[i]; d != memory {
			dirs = append(dirs, d)
		}
	}
	if memory != nil {
		dirs = append(dirs, memory)
	}
	return dirs
}

// Tasks returns the files by which a thread can join the cgroups of version 1: the thread writes 0 to each. No other move is as fast,
// because this one does not take the lock for which Join waits, see Warm. Use Tasks for the first thread of a process, which is all that
// execve leaves of a process. Tasks returns nothing for a scope. cgroups(7); kernel/cgroup/cgroup.c, cgroup_procs_write_start
func (c *Cgroup) Tasks() []string {
	if c.Unit != "" {
		return nil
	}
	var files []string
	for _, d := range c.memoryLast() {
		if d.Version == 1 {
			files = append(files, path.Join(d.Path, "tasks"))
		}
	}
	return files
}

// NeedsJoin reports whether Tasks leaves out a cgroup: a cgroup of version 2, or of a scope.
func (c *Cgroup) NeedsJoin() bool {
	return c.Unit != "" || c.unified() != nil
}

// Open opens the cgroup of version 2 for a clone that puts the new process there. Such a clone does not wait as Join does. clone(2),
// CLONE_INTO_CGROUP
func (c *Cgroup) Open() (*os.File, error) {
	dir := c.unified().Path
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	return os.NewFile(uintptr(fd), dir), nil
}

// JoinRest is Join for the cgroups that Tasks leaves out.
func (c *Cgroup) JoinRest(pid int) error {
	if c.Unit != "" {
		return c.Join(pid)
	}
	rest := *c
	rest.Dirs = slices.DeleteFunc(slices.Clone(c.Dirs), func(d Dir) bool { return d.Version == 1 })
	return rest.Join(pid)
}

// Join moves a process with all its threads to the cgroup in every tree. For the first process of a scope, Join starts the scope.
// cgroups(7)
//
// The error wraps unix.ESRCH if the process has ended. After an error, kill the process: it may have joined some of the cgroups.
func (c *Cgroup) Join(pid int) error {
	if c.scope != nil {
		if err := c.startScope(pid); err != nil {
			return err
		}
	}
	for _, d := range c.memoryLast() {
		err := d.add(strconv.Itoa(pid), c.exact)
		if c.Unit != "" && c.Mode == V2 && errors.Is(err, fs.ErrPermission) {
			// This process is in a cgroup of the host's root, such as a login session, and may not move a process out of there.
			// cgroup-v2.rst, "Delegation Containment"
			err = systemd.Attach(c.Unit, pid)
		}
		if err != nil {
			return fmt.Errorf("adding pid %d to cgroups: %w", pid, err)
		}
	}
	return nil
}

// add moves a process to the cgroup. Unless exact is set, the process may have to go to a cgroup below.
func (d *Dir) add(pid string, exact bool) error {
	err := writeFile(path.Join(d.Path, "cgroup.procs"), pid)
	if errors.Is(err, unix.EBUSY) && d.Version == 2 && !exact {
		err = d.addBelow(pid, err)
	}
	if err == nil {
		return nil
	}
	advice := map[unix.Errno]string{
		unix.ESRCH:      "the process has ended",
		unix.ENOENT:     "the cgroup has been removed",
		unix.EBUSY:      "the cgroup gives controllers to its children, so it cannot have processes itself",
		unix.EOPNOTSUPP: "a cgroup above has processes, so this cgroup is for threads only: see cgroup.type",
		unix.ENOSPC:     "cpuset.cpus or cpuset.mems is empty",
	}
	if slices.Contains(d.Controllers, "cpu") {
		advice[unix.EINVAL] = "a realtime process needs linux.resources.cpu.realtimeRuntime"
	}
	return advise(err, advice)
}

// addBelow moves a process to the first cgroup below that has processes. A container that manages cgroups of its own, such as a container
// with systemd, has moved all its processes to cgroups below. cgroup-v2.rst, "No Internal Process Constraint"
func (d *Dir) addBelow(pid string, busy error) error {
	added, tried := busy, false
	_ = walk(d.Path, func(dir string) error {
		procs, err := readProcs(dir)
		if !tried && len(procs) > 0 {
			tried, added = true, writeFile(path.Join(dir, "cgroup.procs"), pid)
		}
		return err
	})
	return added
}
