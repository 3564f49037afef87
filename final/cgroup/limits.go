//go:build linux

package cgroup

import (
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/cgroup/limit"
)

// setting is one value for one file.
type setting struct {
	field      string
	controller string
	dir        *Dir
	file       string
	value      string
	// optional says that the file may be missing.
	optional bool
	// instead is the setting for a kernel without the file.
	instead *setting
}

// Set writes the limits to the files of the cgroup. You may call Set again: a limit that is not in the resources stays as it is.
// Zero means "not set" for sizes, shares, weights, quota and period, as engines expect. -1 means no limit. Set ignores the limit on
// kernel memory, as the specification says. OCI config-linux.md, "Control groups"
//
// Set returns an error with the name of the field if the host has no such limit.
func (c *Cgroup) Set(r *specs.LinuxResources) error {
	if r == nil {
		return nil
	}
	if c.scope != nil {
		// The scope has no files yet: Join sets the limits later.
		c.scope.set = r
		_, err := c.plan(r)
		return err
	}
	r, err := c.keep(*r)
	if err != nil {
		return err
	}
	settings, err := c.plan(r)
	if err != nil {
		return err
	}
	if err := c.enable(controllersOf(settings)); err != nil {
		return err
	}
	if err := c.checkUsage(r.Memory); err != nil {
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

// keep fills in two limits that would change although they are not set: the quota of version 2, which shares a file with the period,
// and on version 1 a limit on the memory of sockets below the limit on memory, see memoryOfTCP.
func (c *Cgroup) keep(r specs.LinuxResources) (*specs.LinuxResources, error) {
	if d := c.DirOf("cpu"); d != nil && d.Version == 2 && r.CPU != nil && !limit.IsSet(r.CPU.Quota) && limit.IsSet(r.CPU.Period) {
		words, err := readWords(path.Join(d.Path, "cpu.max"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, limit.Refuse("cpu.period", "%w", err)
		}
		if len(words) > 0 && words[0] != "max" {
			quota, err := strconv.ParseInt(words[0], 10, 64)
			if err != nil {
				return nil, limit.Refuse("cpu.period", "%w", err)
			}
			cpu := *r.CPU
			cpu.Quota, r.CPU = &quota, &cpu
		}
	}
	if d := c.DirOf("memory"); d != nil && d.Version == 1 && r.Memory != nil && limit.IsSet(r.Memory.Limit) && !limit.IsSet(r.Memory.KernelTCP) {
		tcp, err := readNumber(path.Join(d.Path, "memory.kmem.tcp.limit_in_bytes"))
		all, err2 := readNumber(path.Join(d.Path, "memory.limit_in_bytes"))
		if err == nil && err2 == nil && tcp != -1 && (all == -1 || tcp < all) {
			memory := *r.Memory
			memory.KernelTCP, r.Memory = &tcp, &memory
		}
	}
	return &r, nil
}

// plan compares the resources with the tables and returns what to write where. It does not read the cgroup.
func (c *Cgroup) plan(r *specs.LinuxResources) ([]setting, error) {
	if r == nil {
		return nil, nil
	}
	if err := limit.Check(r); err != nil {
		return nil, err
	}
	if err := c.checkNone(r); err != nil {
		return nil, err
	}
	var settings []setting
	for version := 1; version <= 2; version++ {
		for _, l := range limit.Of(version, r) {
			d := c.DirOf(l.Controller)
			if d == nil && version == 2 || d != nil && d.Version != version {
				continue
			}
			if l.File == "" {
				return nil, limit.Refuse(l.Field, "not supported on cgroup v%d", version)
			}
			if d == nil {
				return nil, limit.Refuse(l.Field, "the %s controller is not mounted", l.Controller)
			}
			settings = add(settings, l, d, limit.IsOptional(l.File, r))
		}
	}
	m := r.Memory
	if d := c.DirOf("memory"); d != nil && d.Version == 2 && m != nil && limit.IsSet(m.Swap) && *m.Swap != -1 && !limit.IsSet(m.Limit) {
		return nil, limit.Refuse("memory.swap", "needs linux.resources.memory.limit on cgroup v2, which limits memory and swap separately")
	}
	if len(r.Unified) > 0 && c.Mode != V2 {
		return nil, limit.Refuse("unified", "invalid configuration: not supported on cgroup v1: %s", slices.Sorted(maps.Keys(r.Unified))[0])
	}
	_, err := c.planDevices(r.Devices)
	return settings, err
}

// add adds a setting for each value. If the row before has the same field, the settings are second choices.
func add(settings []setting, l limit.Limit, d *Dir, optional bool) []setting {
	isSecond := len(settings) > 0 && settings[len(settings)-1].field == l.Field
	first := len(settings) - len(l.Values)
	for i, value := range l.Values {
		s := setting{field: l.Field, controller: l.Controller, dir: d, file: l.File, value: value, optional: optional}
		if isSecond {
			settings[first+i].instead = &s
		} else {
			settings = append(settings, s)
		}
	}
	return settings
}

// controllersOf returns the controllers of version 2 that the settings need. The files that start with cgroup need none.
func controllersOf(settings []setting) []string {
	var names []string
	for _, s := range settings {
		if s.dir.Version == 2 && s.controller != "cgroup" && !slices.Contains(names, s.controller) {
			names = append(names, s.controller)
		}
	}
	return names
}

// checkUsage refuses a limit on memory below the usage if the configuration asks for that. On version 1 the kernel refuses such a
// limit itself, and on version 2 the kernel would kill processes.
func (c *Cgroup) checkUsage(m *specs.LinuxMemory) error {
	d := c.DirOf("memory")
	if d == nil || d.Version == 1 || m == nil || m.CheckBeforeUpdate == nil || !*m.CheckBeforeUpdate || !limit.IsSet(m.Limit) || *m.Limit == -1 {
		return nil
	}
	used, err := readNumber(path.Join(d.Path, "memory.current"))
	if err != nil {
		return limit.Refuse("memory.checkBeforeUpdate", "%w", err)
	}
	if used > *m.Limit {
		return limit.Refuse("memory.limit", "the container already uses %d bytes, more than %d", used, *m.Limit)
	}
	return nil
}

// writeAll writes the settings in order, and then once more the settings that the kernel refused with EINVAL. The kernel compares
// some limits with each other, such as memory with memory and swap, so the right order depends on the earlier limits.
func writeAll(settings []setting) error {
	var again []setting
	for _, s := range settings {
		err := s.write()
		if errors.Is(err, unix.EINVAL) {
			again = append(again, s)
		} else if err != nil {
			return err
		}
	}
	for _, s := range again {
		if err := s.write(); err != nil {
			return err
		}
	}
	return nil
}

// write writes the value, and adds advice to an error of the kernel.
func (s setting) write() error {
	err := writeFile(path.Join(s.dir.Path, s.file), s.value)
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
	case errors.Is(err, unix.EINVAL) && s.field == "memory.limit" && s.dir.Version == 1:
		advice = " (more than the limit of memory and swap together: raise that limit, too, as in update --memory-swap)"
	case errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ERANGE):
		advice = " (the kernel refuses this value)"
	case errors.Is(err, unix.ENODEV):
		advice = " (no such device)"
	}
	return limit.Refuse(s.field, "write %q: %w%s", s.value, err, advice)
}
