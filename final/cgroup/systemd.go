//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/cgroup/systemd"
)

// scope is a scope that the first Join starts.
type scope struct {
	*systemd.Scope
	// dir is the cgroup of the scope, seen from the root of each tree.
	dir string
	// resources are the ones that NewSystemd got, for the properties of the unit.
	resources *specs.LinuxResources
	// set are the ones that Set got meanwhile, or nil.
	set *specs.LinuxResources
}

// NewSystemd is New for a host whose cgroups systemd manages: systemd makes the cgroup, for a scope. The path has the form
// slice:prefix:name, see [systemd.ParseScope].
//
// A Cgroup with a scope differs in these points. A scope needs a process, so Make does nothing and the first Join starts the scope.
// Mount the cgroups for the container after that. You may call Set before or after. Tasks returns nothing, because only the host side
// can join a scope. When the last process ends, the scope goes with everything that it has counted. On version 1 systemd leaves some
// controllers alone. Join makes their cgroups, so save the state after Join.
//
// Set also tells systemd the limits that systemd knows: otherwise systemd would write its own limits again. Set does not tell systemd
// about devices: on version 2 there may be several programs, and all of them have to allow an access.
func NewSystemd(cgroupsPath, id string, resources *specs.LinuxResources) (*Cgroup, error) {
	if err := systemd.CheckRunning(); err != nil {
		return nil, err
	}
	s, err := systemd.ParseScope(cgroupsPath, id)
	if err != nil {
		return nil, err
	}
	mode, trees, err := findTrees(sysfs)
	if err != nil {
		return nil, err
	}
	return newScope(s, mode, trees, resources)
}

// newScope is NewSystemd for trees that are known.
func newScope(s *systemd.Scope, mode Mode, trees []tree, resources *specs.LinuxResources) (*Cgroup, error) {
	root, err := systemd.Root()
	if err != nil {
		return nil, err
	}
	dir := path.Join("/", root, s.Dir)
	c, err := newIn(mode, trees, dir, resources)
	if err != nil {
		return nil, err
	}
	for i := range c.Dirs {
		if d := &c.Dirs[i]; slices.Contains(d.Controllers, "devices") {
			// When systemd reads its units again, it allows all devices in the cgroup of a unit, but not in a cgroup below.
			d.Path = path.Join(d.Path, "container")
		}
	}
	c.Unit, c.scope = s.Name, &scope{Scope: s, dir: dir, resources: resources}
	return c, nil
}

// MoveCaller moves this process into a scope of its own, beside the scope of the container. Process 1 is born in that scope, and from there
// the user's systemd may move it to the container's. From a login session, only the host's systemd could move process 1, and the host's
// systemd refuses a process whose user ID it does not know.
func (c *Cgroup) MoveCaller() error {
	s, err := systemd.ParseScope(fmt.Sprintf(":final-run:%d", os.Getpid()), "")
	if err != nil {
		return err
	}
	return s.Start(path.Join(strings.TrimSuffix(c.scope.dir, c.scope.Dir), s.Dir), nil, os.Getpid())
}

// startScope has systemd start the scope with its first process. Then it makes the cgroups of the controllers that systemd does not
// know, and sets the rest of the limits.
func (c *Cgroup) startScope(pid int) error {
	s := c.scope
	settings, err := c.plan(s.resources)
	if err != nil {
		return err
	}
	c.told = c.properties(settings)
	if err := s.Start(s.dir, c.told, pid); err != nil {
		if ended := unix.Kill(pid, 0); ended != nil {
			err = fmt.Errorf("%w (process %d has ended: %w)", err, pid, ended)
		}
		return err
	}
	c.scope = nil
	for i := range c.Dirs {
		if err := c.Dirs[i].make(); err != nil && !errors.Is(err, unix.EEXIST) {
			return err
		}
		if err := c.Dirs[i].fillCpuset(); err != nil {
			return err
		}
	}
	if err := c.checkThawed(); err != nil {
		return err
	}
	if err := c.enable(c.needed); err != nil {
		return err
	}
	return c.Set(s.set)
}

// properties returns what systemd has to know of the settings.
func (c *Cgroup) properties(settings []setting) []systemd.Property {
	var writes []systemd.Write
	for _, s := range settings {
		// The kernel may lack the file, and have the next choice.
		for choice := &s; choice != nil; choice = choice.instead {
			writes = append(writes, systemd.Write{Version: choice.dir.Version, File: choice.file, Value: choice.value})
		}
	}
	cpu := c.DirOf("cpu")
	return systemd.Properties(writes, func(file string) string {
		if cpu == nil {
			return ""
		}
		text, _ := readFile(path.Join(cpu.Path, file))
		return string(text)
	})
}

// tellSystemd tells systemd the limits that Set is about to write.
func (c *Cgroup) tellSystemd(settings []setting) error {
	if c.Unit == "" {
		return nil
	}
	limits := c.properties(settings)
	if len(limits) == 0 || reflect.DeepEqual(limits, c.told) {
		return nil
	}
	c.told = limits
	return systemd.Set(c.Unit, limits)
}

// stopScope stops the scope after its processes have ended. Most often systemd has stopped the scope already.
func (c *Cgroup) stopScope(deadline time.Time) error {
	for {
		pids, err := c.Procs()
		if err != nil {
			return err
		}
		if len(pids) == 0 {
			return systemd.Stop(c.Unit)
		}
		if !time.Now().Before(deadline) {
			return fmt.Errorf("stop the systemd unit %s: processes are still in it: %v", c.Unit, pids)
		}
		time.Sleep(time.Millisecond)
	}
}
