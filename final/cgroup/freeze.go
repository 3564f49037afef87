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

// Frozen reports whether Freeze has stopped the processes. While version 1 is halfway, it waits for up to five seconds.
func (c *Cgroup) Frozen() (bool, error) {
	d := c.freezer()
	if d == nil {
		return false, nil
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		state, err := d.freezeState()
		if err != nil || state != halfway {
			return state == frozen, err
		}
		if time.Now().After(deadline) {
			return false, fmt.Errorf("%s: still %s after %v (thaw this cgroup, and freeze it again)", d.Path, halfway, patience)
		}
	}
}

// Thaw thaws the cgroup, and those below it that the container has frozen itself, so that killed processes can end: on version 1 a
// frozen process does not. It returns no error: a cgroup that it cannot thaw has gone, or the caller waits in vain for the end.
func (c *Cgroup) Thaw() {
	d := c.freezer()
	if d == nil {
		return
	}
	file, value := d.freezeFile(false)
	_ = walk(d.Path, func(dir string) error {
		_ = writeFile(path.Join(dir, file), value)
		return nil
	})
}

// The words of version 1.
const (
	frozen  = "FROZEN"
	halfway = "FREEZING"
	thawed  = "THAWED"
)

// freezer returns the cgroup that can stop processes. That of version 2 needs no controller to do so.
func (c *Cgroup) freezer() *Dir { return c.DirOf("freezer") }

func (d *Dir) freeze(freeze bool) error {
	wanted := map[bool]string{true: frozen, false: thawed}[freeze]
	file, value := d.freezeFile(freeze)
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		// Version 1 may stay halfway, when a process forks at that moment, until it is told again.
		if err := writeFile(path.Join(d.Path, file), value); err != nil {
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

// freezeFile returns the file that stops processes or lets them go on, and what to write to it.
func (d *Dir) freezeFile(freeze bool) (name, value string) {
	if d.Version == 2 {
		return "cgroup.freeze", map[bool]string{true: "1", false: "0"}[freeze]
	}
	return "freezer.state", map[bool]string{true: frozen, false: thawed}[freeze]
}

// freezeState is frozen when the last process has been stopped, and thawed when the first goes on. Version 2 has nothing between.
func (d *Dir) freezeState() (string, error) {
	if d.Version == 1 {
		state, err := os.ReadFile(path.Join(d.Path, "freezer.state"))
		return strings.TrimSpace(string(state)), err
	}
	events, err := os.ReadFile(path.Join(d.Path, "cgroup.events"))
	if Field(string(events), "frozen") == 1 {
		return frozen, err
	}
	return thawed, err
}
