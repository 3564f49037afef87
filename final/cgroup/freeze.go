//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// The states of a cgroup, in the words of version 1. Version 2 has no state between the two others.
const (
	frozen   = "FROZEN"
	freezing = "FREEZING"
	thawed   = "THAWED"
)

// freezeFiles has, for each version, the file that freezes, and what to write there.
var freezeFiles = [...]struct{ name, frozen, thawed string }{1: {"freezer.state", frozen, thawed}, 2: {"cgroup.freeze", "1", "0"}}

// Freeze stops all processes in the cgroup and below, or lets them go on. Processes do not notice. Freeze waits up to five seconds until
// the last process has stopped. If that fails, all processes go on. cgroup-v1/freezer-subsystem.rst; cgroup-v2.rst, "cgroup.freeze"
func (c *Cgroup) Freeze(freeze bool) error {
	d := c.freezer()
	if c.Mode == None {
		return ErrNone
	}
	if d == nil {
		return errors.New("the freezer controller is not mounted")
	}
	if !freeze {
		return c.eachFreezer(func(d *Dir) error { return d.setFrozen(false) })
	}
	err := d.setFrozen(true)
	if err != nil {
		err = errors.Join(err, d.setFrozen(false))
	}
	return err
}

// Frozen reports whether Freeze, or the container itself, has stopped the processes. While the kernel is still freezing them, Frozen waits up
// to five seconds.
func (c *Cgroup) Frozen() (is bool, err error) {
	err = c.eachFreezer(func(d *Dir) error {
		found, err := d.isFrozen()
		is = is || found
		return err
	})
	return is, err
}

func (d *Dir) isFrozen() (bool, error) {
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		state, err := d.freezeState()
		if err != nil || state != freezing {
			return state == frozen, err
		}
		if time.Now().After(deadline) {
			return false, fmt.Errorf("%s: still %s after %v (thaw this cgroup, and freeze it again)", d.Path, freezing, patience)
		}
	}
}

// Thaw thaws the cgroup, and cgroups below that the container has frozen: on version 1 a killed process ends only after it thaws. Thaw
// ignores errors. The caller waits for the processes to end, so it sees when a cgroup stays frozen.
func (c *Cgroup) Thaw() {
	_ = c.eachFreezer(func(d *Dir) error {
		file := freezeFiles[d.Version]
		return walk(d.Path, func(dir string) error {
			_ = writeFile(path.Join(dir, file.name), file.thawed)
			return nil
		})
	})
}

// freezer returns the cgroup that Freeze uses, or nil. On version 2 every cgroup can freeze processes.
func (c *Cgroup) freezer() *Dir { return c.DirOf("freezer") }

// eachFreezer calls a function for each cgroup that can freeze processes. A hybrid host has two. Freeze uses only the one of version 1, but a
// container with a user namespace of its own making can mount its cgroup of version 2, and freeze itself there.
func (c *Cgroup) eachFreezer(do func(d *Dir) error) (err error) {
	for i := range c.Dirs {
		if d := &c.Dirs[i]; d.Version == 2 || slices.Contains(d.Controllers, "freezer") {
			err = errors.Join(err, do(d))
		}
	}
	return err
}

func (d *Dir) setFrozen(freeze bool) error {
	file := freezeFiles[d.Version]
	wanted, value := thawed, file.thawed
	if freeze {
		wanted, value = frozen, file.frozen
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		// If a process forks during the write, version 1 stays at FREEZING until the next write.
		if err := writeFile(path.Join(d.Path, file.name), value); err != nil {
			return err
		}
		state, err := d.freezeState()
		if err != nil || state == wanted {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: still not %s after %v", d.Path, wanted, patience)
		}
	}
}

// freezeState returns frozen after the last process has stopped.
func (d *Dir) freezeState() (string, error) {
	if d.Version == 1 {
		state, err := readFile(path.Join(d.Path, "freezer.state"))
		return strings.TrimSpace(string(state)), err
	}
	events, err := readFile(path.Join(d.Path, "cgroup.events"))
	if Field(string(events), "frozen") == 1 {
		return frozen, err
	}
	return thawed, err
}
