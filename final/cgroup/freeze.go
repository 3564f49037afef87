//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"time"
)

// Freeze stops all processes in the cgroup and below it, or lets them go on. They do not notice, other than by SIGSTOP. It waits
// for up to five seconds until the kernel has stopped the last. If that fails, all go on as before.
// cgroup-v1/freezer-subsystem.rst, and cgroup-v2.rst, "cgroup.freeze"
func (c *Cgroup) Freeze(frozen bool) error {
	d := c.freezer()
	if d == nil {
		return errors.New("the freezer controller is not mounted")
	}
	err := d.freeze(frozen)
	if err != nil && frozen {
		err = errors.Join(err, d.freeze(false))
	}
	return err
}

// Frozen reports whether Freeze has stopped the processes.
func (c *Cgroup) Frozen() (bool, error) {
	d := c.freezer()
	if d == nil {
		return false, nil
	}
	return d.isFrozen()
}

// freezer returns the cgroup that can stop processes. That of version 2 needs no controller to do so.
func (c *Cgroup) freezer() *Dir { return c.dirOf("freezer") }

func (d *Dir) freeze(frozen bool) error {
	file, value := "cgroup.freeze", map[bool]string{true: "1", false: "0"}[frozen]
	if d.Version == 1 {
		file, value = "freezer.state", map[bool]string{true: "FROZEN", false: "THAWED"}[frozen]
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		// Version 1 may stay halfway, when a process forks at that moment, until it is told again.
		if err := writeFile(path.Join(d.Path, file), value); err != nil {
			return err
		}
		is, err := d.isFrozen()
		if err != nil || is == frozen {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: still not %s after %v", d.Path, value, patience)
		}
	}
}

// isFrozen is true when the last process has been stopped, and false when the first goes on.
func (d *Dir) isFrozen() (bool, error) {
	if d.Version == 1 {
		state, err := os.ReadFile(path.Join(d.Path, "freezer.state"))
		return strings.TrimSpace(string(state)) == "FROZEN", err
	}
	events, err := os.ReadFile(path.Join(d.Path, "cgroup.events"))
	return field(string(events), "frozen") == 1, err
}
