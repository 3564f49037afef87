//go:build linux

package inside

import (
	"fmt"
	"math"
	"slices"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/spec"
	"container-workshop/final/stage"
)

// priorities sets what the command gets before other processes, and for what kind of machine the command is. All but personality(2)
// need rights, so these calls come before the rights go. sched(7), ioprio_set(2)
func (l *last) priorities(c *container) error {
	if s := c.Scheduler; s != nil {
		attr, err := spec.SchedAttr(s)
		if err != nil {
			return fmt.Errorf("process.scheduler%w", err)
		}
		l.keep = append(l.keep, attr)
		l.add(fmt.Sprintf("sched_setattr(%s)", s.Policy), "sched_setattr(2)", call{unix.SYS_SCHED_SETATTR, [5]uintptr{0, uintptr(unsafe.Pointer(attr)), 0}})
	}
	if p := c.IOPriority; p != nil {
		const process = 1
		priority, err := spec.IOPriority(p)
		if err != nil {
			return fmt.Errorf("process.ioPriority.%w", err)
		}
		l.add(fmt.Sprintf("ioprio_set(%s, %d)", p.Class, p.Priority), "ioprio_set(2)", call{unix.SYS_IOPRIO_SET, [5]uintptr{process, 0, priority}})
	}
	if p := c.Personality; p != nil {
		domain, err := spec.Personality(p)
		if err != nil {
			return fmt.Errorf("linux.personality.%w", err)
		}
		l.add(fmt.Sprintf("personality(%s)", p.Domain), "personality(2)", call{unix.SYS_PERSONALITY, [5]uintptr{domain}})
	}
	return nil
}

// setAffinity returns the call that binds the process to the processors of a mask. The kernel ignores processors that the host does not
// have. sched_setaffinity(2)
func setAffinity(mask []uint64) call {
	return call{unix.SYS_SCHED_SETAFFINITY, [5]uintptr{0, uintptr(len(mask) * 8), uintptr(unsafe.Pointer(&mask[0]))}}
}

// affinity binds the command to its processors, once the command is in its cgroups. Without this call the command would keep the
// processors of the caller even if the cgroup allows more. With execCPUAffinity.initial alone nothing changes here. config.md
func (l *last) affinity(a *specs.CPUAffinity) error {
	switch {
	case a == nil || a.Initial == "" && a.Final == "":
		all := slices.Repeat([]uint64{math.MaxUint64}, spec.MaxCPUs/64)
		l.keep = append(l.keep, all)
		l.list = append(l.list, stage.Stage{Call: "sched_setaffinity(all)", Man: "sched_setaffinity(2)", Do: func() error {
			// If the kernel does not allow this, the command keeps the processors of the caller.
			_ = setAffinity(all).make()
			return nil
		}})
	case a.Final != "":
		some, err := spec.CPUs(a.Final)
		if err != nil {
			return fmt.Errorf("process.execCPUAffinity.final: %w", err)
		}
		l.keep = append(l.keep, some)
		l.add(fmt.Sprintf("sched_setaffinity(%s)", a.Final), "sched_setaffinity(2)", setAffinity(some))
	}
	return nil
}

// initialAffinity binds a process that joins a container to processors, before the process is in the cgroups.
func (c *container) initialAffinity() ([]stage.Stage, error) {
	if c.CPUAffinity == nil || c.CPUAffinity.Initial == "" {
		return nil, nil
	}
	list := c.CPUAffinity.Initial
	some, err := spec.CPUs(list)
	if err != nil {
		return nil, fmt.Errorf("process.execCPUAffinity.initial: %w", err)
	}
	return []stage.Stage{{Call: fmt.Sprintf("sched_setaffinity(%s)", list), Man: "sched_setaffinity(2)", Do: func() error {
		if err := setAffinity(some).make(); err != nil {
			return fmt.Errorf("process.execCPUAffinity.initial: sched_setaffinity(%s): %w", list, err)
		}
		return nil
	}}}, nil
}
