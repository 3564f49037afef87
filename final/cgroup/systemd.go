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
)

// scope is a unit of systemd's that is still to be made.
type scope struct {
	// name is that of the unit, and slice that of the unit above it.
	name, slice string
	description string
	// dir is its cgroup, seen from the root of each tree.
	dir string
	// resources are what New was given, for the properties of the unit.
	resources *specs.LinuxResources
	// set is what Set was given meanwhile, nil for nothing.
	set *specs.LinuxResources
}

// NewSystemd is New for a host whose cgroups are systemd's: that of the container is a scope, which systemd makes and knows of.
// Its path has the form slice:prefix:name, and stands for the unit PREFIX-NAME.scope in that slice. No slice is system.slice. No
// path at all is system.slice:container-workshop:ID. The slice a-b.slice is below a.slice. systemd.scope(5), systemd.slice(5)
//
// The Cgroup is used like any other, with four differences. There is no scope without a process, so Create does nothing, and the
// first Join makes it: what shows the container its cgroups has to come later. Set may come before that or after. Tasks returns
// nothing, as a scope is to be joined from the host side. And a scope ends with its last process: then nothing is left of it to
// count. On version 1, systemd leaves some controllers alone. Their cgroups are made by Join, so the state has to be saved
// after it.
//
// The limits that systemd knows are properties of the unit too, or it would write its own over ours. Devices are not among them:
// on version 2 there can be several programs, and all have to agree. org.freedesktop.systemd1(5)
func NewSystemd(cgroupsPath, id string, resources *specs.LinuxResources) (*Cgroup, error) {
	if info, err := os.Stat(systemdRuns); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("systemd is not running, because %s is not a directory: leave out --systemd-cgroup", systemdRuns)
	}
	s, dir, err := parseScope(cgroupsPath, id)
	if err != nil {
		return nil, err
	}
	mode, trees, err := findTrees(sysfs)
	if err != nil {
		return nil, err
	}
	return s.in(mode, trees, dir, resources)
}

// systemdRuns is there if process 1 is systemd. sd_booted(3)
const systemdRuns = "/run/systemd/system"

// in returns the Cgroup of the scope, in trees that are known.
func (s *scope) in(mode Mode, trees []tree, dir string, resources *specs.LinuxResources) (*Cgroup, error) {
	b, err := connect()
	if err != nil {
		return nil, err
	}
	defer b.close()
	root, err := b.root()
	if err != nil {
		return nil, err
	}
	s.dir, s.resources = path.Join("/", root, dir), resources
	c, err := newIn(mode, trees, s.dir, resources)
	if err != nil {
		return nil, err
	}
	for i := range c.Dirs {
		if d := &c.Dirs[i]; slices.Contains(d.Controllers, "devices") {
			// Each time it reads its units again, systemd allows all devices to a cgroup of version 1. Not to one below.
			d.Path = path.Join(d.Path, "container")
		}
	}
	c.Unit, c.scope = s.name, s
	return c, nil
}

// parseScope returns the scope, and the path of its cgroup, seen from that of systemd.
func parseScope(cgroupsPath, id string) (*scope, string, error) {
	if cgroupsPath == "" {
		cgroupsPath = ":container-workshop:" + id
	}
	parts := strings.Split(cgroupsPath, ":")
	if len(parts) != 3 || parts[2] == "" {
		return nil, "", fmt.Errorf("linux.cgroupsPath: %q: must be slice:prefix:name with --systemd-cgroup", cgroupsPath)
	}
	slice, prefix, name := parts[0], parts[1], parts[2]
	if slice == "" {
		slice = "system.slice"
	}
	dir, err := expandSlice(slice)
	if err != nil {
		return nil, "", err
	}
	if prefix != "" {
		name = prefix + "-" + name
	}
	unit := escapeUnit(name) + ".scope"
	// systemd.unit(5)
	if len(unit) > 255 {
		return nil, "", fmt.Errorf("linux.cgroupsPath: the name of the unit %s has %d bytes: must be at most 255", unit, len(unit))
	}
	return &scope{name: unit, slice: slice, description: "container " + id}, path.Join(dir, unit), nil
}

// expandSlice returns the path of a slice: of a-b.slice it is a.slice/a-b.slice, and of -.slice, which is above all, it is empty.
// systemd.slice(5)
func expandSlice(slice string) (string, error) {
	name, isSlice := strings.CutSuffix(slice, ".slice")
	if isSlice && name == "-" {
		return "", nil
	}
	dir, above := "", ""
	for part := range strings.SplitSeq(name, "-") {
		if !isSlice || part == "" || escapeUnit(part) != part {
			return "", fmt.Errorf("linux.cgroupsPath: %q: must be the name of a slice, such as a-b.slice", slice)
		}
		above += part
		dir = path.Join(dir, above+".slice")
		above += "-"
	}
	return dir, nil
}

// escapeUnit writes a byte that the name of a unit cannot have as \x2b. systemd.unit(5), "String Escaping for Inclusion in Unit
// Names"
func escapeUnit(name string) string {
	var s strings.Builder
	for _, b := range []byte(name) {
		switch {
		case '0' <= b && b <= '9', 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', strings.IndexByte(":-_.\\", b) != -1:
			s.WriteByte(b)
		default:
			fmt.Fprintf(&s, `\x%02x`, b)
		}
	}
	return s.String()
}

// start has systemd make the scope, with a first process in it. What systemd does not do, we do: the cgroups of controllers that
// it does not know, and the rest of the limits.
func (c *Cgroup) start(pid int) error {
	s := c.scope
	settings, err := c.plan(s.resources)
	if err != nil {
		return err
	}
	b, err := connect()
	if err != nil {
		return err
	}
	defer b.close()
	c.told = c.properties(settings)
	if err := b.start(s, c.told, pid); err != nil {
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

// setUnit tells systemd of limits that are about to be written.
func (c *Cgroup) setUnit(settings []setting) error {
	if c.Unit == "" {
		return nil
	}
	limits := c.properties(settings)
	if len(limits) == 0 || reflect.DeepEqual(limits, c.told) {
		return nil
	}
	b, err := connect()
	if err != nil {
		return err
	}
	defer b.close()
	c.told = limits
	return b.set(c.Unit, limits)
}

// stop has systemd end the unit, when its processes have ended, which most often has ended it already.
func (c *Cgroup) stop(deadline time.Time) error {
	for {
		pids, err := c.Procs()
		if err != nil {
			return err
		}
		if len(pids) == 0 {
			break
		}
		if !time.Now().Before(deadline) {
			return fmt.Errorf("stop the systemd unit %s: processes are still in it: %v", c.Unit, pids)
		}
		time.Sleep(time.Millisecond)
	}
	b, err := connect()
	if err != nil {
		return err
	}
	defer b.close()
	return b.stop(c.Unit)
}
