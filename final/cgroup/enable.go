//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// counting are the controllers that count something. They are useful without a limit.
var counting = []string{"cpu", "io", "memory", "pids"}

// enable makes every cgroup above ours give its children the needed controllers, and the counting controllers where possible. Version 1
// needs no such step: a mounted controller is enabled. cgroup-v2.rst, "Enabling and Disabling"
func (c *Cgroup) enable(needed []string) error {
	d := c.unified()
	wanted := needed
	if c.Mode == V2 {
		wanted = slices.Concat(needed, counting)
	}
	if d == nil || len(wanted) == 0 {
		return nil
	}
	has, err := readWords(path.Join(d.Path, "cgroup.controllers"))
	if err == nil && len(without(wanted, has)) == 0 {
		return nil
	}
	dirs := d.lineage()
	for _, dir := range dirs[:len(dirs)-1] {
		if err := enableBelow(dir, needed, wanted); err != nil {
			return err
		}
	}
	return nil
}

// enableBelow gives the children of a cgroup the available wanted controllers, or at least the needed controllers.
func enableBelow(dir string, needed, wanted []string) error {
	available, err := readWords(path.Join(dir, "cgroup.controllers"))
	if err != nil {
		return err
	}
	if lacking := without(needed, available); len(lacking) > 0 {
		return fmt.Errorf("the %s controller is not available in %s (its cgroup.controllers has: %s)", lacking[0], dir, strings.Join(available, " "))
	}
	enabled, err := readWords(path.Join(dir, "cgroup.subtree_control"))
	if err != nil {
		return err
	}
	missing := without(needed, enabled)
	// The kernel accepts a whole line or nothing of it, so first try all wanted controllers, and then the needed ones.
	for _, names := range [][]string{without(wanted, without(wanted, available)), needed} {
		names = without(names, enabled)
		if len(names) == 0 {
			return nil
		}
		err = writeFile(path.Join(dir, "cgroup.subtree_control"), "+"+strings.Join(names, " +"))
		if err == nil || errors.Is(err, unix.EBUSY) && len(missing) == 0 {
			return nil
		}
		if errors.Is(err, unix.EBUSY) {
			// The cgroup has processes. The kernel would take cpu and pids alone, but then the children could only have threads.
			break
		}
	}
	return enableError(dir, "+"+strings.Join(missing, " +"), err)
}

// without returns the names that are not in others, each once.
func without(names, others []string) []string {
	var rest []string
	for _, name := range names {
		if !slices.Contains(others, name) && !slices.Contains(rest, name) {
			rest = append(rest, name)
		}
	}
	return rest
}

func enableError(dir, controllers string, err error) error {
	return fmt.Errorf("enable %s below %s: %w", controllers, dir, advise(err, map[unix.Errno]string{
		unix.EBUSY:      "a cgroup with processes cannot give controllers to its children: move the processes to a child cgroup, or choose another linux.cgroupsPath",
		unix.EACCES:     needsRoot,
		unix.EPERM:      needsRoot,
		unix.EROFS:      needsRoot,
		unix.EOPNOTSUPP: "a threaded cgroup cannot have all controllers",
	}))
}
