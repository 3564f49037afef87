//go:build linux

package cgroup

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// limit says which file of which controller a field of the configuration goes to. There may be a second limit for the same
// field, right behind: it is for kernels that do not have the file of the first.
type limit struct {
	// field is the name in the configuration, below linux.resources.
	field      string
	controller string
	// file is empty if this version of cgroups has nothing of the kind.
	file string
	// values are written to the file one after the other. There are none if the field is not set.
	values func(*specs.LinuxResources) []string
	// optional, if it is not nil, tells when it does no harm that the kernel has no such file.
	optional func(*specs.LinuxResources) bool
}

// setting is one value for one file.
type setting struct {
	field      string
	controller string
	dir        *Dir
	file       string
	value      string
	optional   bool
	// instead is for a kernel that does not have the file.
	instead *setting
}

// Set writes the limits to the files of the cgroup, which Create has made. It may be called again: what is not set in the
// resources stays as it is. Zero means "not set" for sizes, shares, weights, quota and period, as callers expect, but not for
// linux.resources.pids.limit, where it is a limit: see pidsMax. -1 means no limit. Kernel memory is ignored, as the specification has it.
//
// What this host cannot do is an error that names the field, with one exception: where the kernel does not count swap, a limit
// that allows no swap, or any, is left out.
//
// The order of the fields does not matter, although the kernel has one: see writeAll. OCI config-linux.md, "Control groups".
func (c *Cgroup) Set(r *specs.LinuxResources) error {
	if r == nil {
		return nil
	}
	if c.scope != nil {
		// There are no files yet.
		c.scope.set = r
		_, err := c.plan(r)
		return err
	}
	r, err := c.keepQuota(r)
	if err != nil {
		return err
	}
	r = c.keepTCP(r)
	settings, err := c.plan(r)
	if err != nil {
		return err
	}
	if err := c.enable(controllersOf(settings)); err != nil {
		return err
	}
	if err := c.checkUsage(r); err != nil {
		return err
	}
	if err := c.tellSystemd(settings); err != nil {
		return err
	}
	if err := writeAll(settings); err != nil {
		return err
	}
	return c.setDevices(r.Devices)
}

// plan says what is to be written where, from the tables. It does not look at the cgroup.
func (c *Cgroup) plan(r *specs.LinuxResources) ([]setting, error) {
	if r == nil {
		return nil, nil
	}
	r = complete(*r)
	if err := check(r); err != nil {
		return nil, err
	}
	var settings []setting
	tables := [][]limit{1: slices.Concat(limitsV1, hugepagesV1(r)), 2: slices.Concat(limitsV2, hugepagesV2(r), unifiedV2(r))}
	for version, table := range tables {
		for _, l := range table {
			d := c.DirOf(cmp.Or(nameV1[l.controller], l.controller))
			isOurs := d == nil && version == 1 || d != nil && d.Version == version
			values := l.values(r)
			if !isOurs || len(values) == 0 {
				continue
			}
			if l.file == "" {
				return nil, fmt.Errorf("linux.resources.%s: not supported on cgroup v%d", l.field, version)
			}
			if d == nil {
				return nil, fmt.Errorf("linux.resources.%s: the %s controller is not mounted", l.field, l.controller)
			}
			optional := l.optional != nil && l.optional(r)
			settings = l.addTo(settings, values, d, optional)
		}
	}
	if d := c.DirOf("memory"); d != nil && d.Version == 2 && isSet(r.Memory.Swap) && *r.Memory.Swap != -1 && !isSet(r.Memory.Limit) {
		return nil, refuse("memory.swap", "needs linux.resources.memory.limit on cgroup v2, which limits memory and swap separately")
	}
	if len(r.Unified) > 0 && c.Mode != V2 {
		return nil, fmt.Errorf("linux.resources.unified: invalid configuration: not supported on cgroup v1: %s", slices.Sorted(maps.Keys(r.Unified))[0])
	}
	if _, err := c.planDevices(r.Devices); err != nil {
		return nil, err
	}
	return settings, nil
}

// addTo adds a setting for each value, or makes it the second choice for those of the limit before it.
func (l limit) addTo(settings []setting, values []string, d *Dir, optional bool) []setting {
	isSecond := len(settings) > 0 && settings[len(settings)-1].field == l.field
	first := len(settings) - len(values)
	for i, value := range values {
		s := setting{field: l.field, controller: l.controller, dir: d, file: l.file, value: value, optional: optional}
		if isSecond {
			settings[first+i].instead = &s
		} else {
			settings = append(settings, s)
		}
	}
	return settings
}

// nameV1 has the names that a controller of version 2 had in version 1, where they differ.
var nameV1 = map[string]string{"io": "blkio"}

// complete spares the tables the question of whether a part of the resources is there.
func complete(r specs.LinuxResources) *specs.LinuxResources {
	r.Memory = cmp.Or(r.Memory, &specs.LinuxMemory{})
	r.CPU = cmp.Or(r.CPU, &specs.LinuxCPU{})
	r.Pids = cmp.Or(r.Pids, &specs.LinuxPids{})
	r.BlockIO = cmp.Or(r.BlockIO, &specs.LinuxBlockIO{})
	r.Network = cmp.Or(r.Network, &specs.LinuxNetwork{})
	return &r
}

// controllersOf returns the controllers of version 2 that the settings need.
func controllersOf(settings []setting) []string {
	var names []string
	for _, s := range settings {
		// What is below "cgroup." needs none.
		if s.dir.Version == 2 && s.controller != "cgroup" && !slices.Contains(names, s.controller) {
			names = append(names, s.controller)
		}
	}
	return names
}

// writeAll writes the settings in their order. Some values only go with others that are still to be written: the kernel refuses
// a memory limit above that of memory and swap, or a burst above the quota, with EINVAL. Which one has to come first depends on
// what was there before. So what was refused is tried again after the rest.
func writeAll(settings []setting) error {
	var refused []setting
	for _, s := range settings {
		err := s.write()
		if errors.Is(err, unix.EINVAL) {
			refused = append(refused, s)
			continue
		}
		if err != nil {
			return err
		}
	}
	for _, s := range refused {
		if err := s.write(); err != nil {
			return err
		}
	}
	return nil
}

// write writes the value of a setting, and turns what the kernel says into advice.
func (s setting) write() error {
	file := path.Join(s.dir.Path, s.file)
	err := writeFile(file, s.value)
	var atOpen *fs.PathError
	isMissing := errors.As(err, &atOpen) && atOpen.Op == "open" && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission))
	advice := ""
	switch {
	case err == nil || isMissing && s.optional:
		return nil
	case isMissing && s.instead != nil:
		return s.instead.write()
	case isMissing && s.dir.Version == 2:
		advice = " (the parent's cgroup.subtree_control lacks the controller, or the kernel has no such limit)"
	case isMissing:
		advice = " (the kernel has no such limit)"
	case errors.Is(err, unix.EBUSY) && s.controller == "memory":
		advice = " (the container already uses more)"
	case errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ERANGE):
		advice = " (the kernel refuses this value)"
	case errors.Is(err, unix.ENODEV):
		advice = " (no such device)"
	}
	return fmt.Errorf("linux.resources.%s: write %q: %w%s", s.field, s.value, err, advice)
}

// writeFile writes to a file that must be there. With O_CREAT, a cgroup file system would answer EACCES for one that is not.
func writeFile(file, value string) error {
	fd, err := unix.Open(file, unix.O_WRONLY|unix.O_TRUNC|unix.O_CLOEXEC, 0)
	for err == unix.EINTR {
		fd, err = unix.Open(file, unix.O_WRONLY|unix.O_TRUNC|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return &fs.PathError{Op: "open", Path: file, Err: err}
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(value))
	for err == unix.EINTR {
		_, err = unix.Write(fd, []byte(value))
	}
	if err != nil {
		return &fs.PathError{Op: "write", Path: file, Err: err}
	}
	return nil
}

// checkUsage refuses a memory limit below what is used, where linux.resources.memory.checkBeforeUpdate asks for that. On
// version 1 the kernel does. On version 2 it would kill processes instead.
func (c *Cgroup) checkUsage(r *specs.LinuxResources) error {
	d := c.DirOf("memory")
	m := r.Memory
	if d == nil || d.Version == 1 || m == nil || m.CheckBeforeUpdate == nil || !*m.CheckBeforeUpdate || !isSet(m.Limit) || *m.Limit == -1 {
		return nil
	}
	used, err := readNumber(path.Join(d.Path, "memory.current"))
	if err != nil {
		return fmt.Errorf("linux.resources.memory.checkBeforeUpdate: %w", err)
	}
	if used > *m.Limit {
		return fmt.Errorf("linux.resources.memory.limit: the container already uses %d bytes, more than %d", used, *m.Limit)
	}
	return nil
}
