//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// Warm makes the kernel ready to move processes, so that a Join soon afterwards takes microseconds. The first move after some
// milliseconds without one waits for a grace period of RCU, for 5 to 20 ms. Warm takes that wait upon itself: it moves the
// runtime to the cgroup that it is in, which changes nothing. The lock that is being prepared is the same for all trees.
//
// It is to be called in a goroutine of its own, after Create: as long as it waits, it holds a lock of the kernel, so that nobody
// makes, removes or joins a cgroup, or reads /proc/PID/cgroup. It may be left out, and so its errors do not matter.
//
// See Documentation/RCU/whatisRCU.rst, and cgroup_threadgroup_rwsem in kernel/cgroup/cgroup.c.
func Warm() {
	_, trees, err := findTrees(sysfs)
	if err != nil || findOwn(trees, procSelf) != nil {
		return
	}
	warm(trees)
}

// warm prefers the tree of version 2: on a hybrid host it has the fewest controllers that could mind.
func warm(trees []tree) {
	slices.SortStableFunc(trees, func(a, b tree) int { return b.version - a.version })
	for _, t := range trees {
		if writeFile(path.Join(t.mount, t.own, "cgroup.procs"), "0") == nil {
			return
		}
	}
}

// Join puts a process, with all its threads, into the cgroup in every tree. What it has allocated before stays with the cgroup
// that it comes from; so the tree of the memory controller is the last, when all else is done. cgroups(7)
//
// For the first process of a scope of systemd's, it has systemd make that. See NewSystemd.
//
// It returns an error that wraps unix.ESRCH if there is no such process any more. After any error the process may be in some of
// the cgroups, and should be killed.
func (c *Cgroup) Join(pid int) error {
	if c.scope != nil {
		if err := c.startScope(pid); err != nil {
			return err
		}
	}
	number := strconv.Itoa(pid)
	memory := c.DirOf("memory")
	for i := range c.Dirs {
		if d := &c.Dirs[i]; d != memory {
			if err := c.join(d, number); err != nil {
				return err
			}
		}
	}
	if memory == nil {
		return nil
	}
	return c.join(memory, number)
}

func (c *Cgroup) join(d *Dir, pid string) error {
	err := writeFile(path.Join(d.Path, "cgroup.procs"), pid)
	if errors.Is(err, unix.EBUSY) && d.Version == 2 && !c.exact {
		err = d.joinBelow(pid, err)
	}
	advice := ""
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ESRCH):
		advice = " (the process has ended)"
	case errors.Is(err, unix.ENOENT):
		advice = " (the cgroup has been removed)"
	case errors.Is(err, unix.EBUSY):
		advice = " (the cgroup gives controllers to its children, so it cannot have processes itself)"
	case errors.Is(err, unix.EOPNOTSUPP):
		advice = " (a cgroup above has processes, so this cgroup is for threads only: see cgroup.type)"
	case errors.Is(err, unix.ENOSPC):
		advice = " (cpuset.cpus or cpuset.mems is empty)"
	case errors.Is(err, unix.EINVAL) && slices.Contains(d.Controllers, "cpu"):
		advice = " (a realtime process needs linux.resources.cpu.realtimeRuntime)"
	}
	return fmt.Errorf("adding pid %s to cgroups: %w%s", pid, err, advice)
}

// joinBelow is for a container that manages cgroups of its own, as one with systemd does: it has moved its processes to cgroups
// below. What joins it goes to the first of these that has any. cgroup-v2.rst, "No Internal Process Constraint"
func (d *Dir) joinBelow(pid string, busy error) error {
	joined, tried := busy, false
	_ = walk(d.Path, func(dir string) error {
		procs, err := readProcs(dir)
		if !tried && len(procs) > 0 {
			tried, joined = true, writeFile(path.Join(dir, "cgroup.procs"), pid)
		}
		return err
	})
	return joined
}
