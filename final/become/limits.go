//go:build linux

package become

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/namespace"
	"container-workshop/final/spec"
)

// limits sets resource limits. The limit on open files is the caller's if the configuration has none. prlimit(2)
func (p *Program) limits() error {
	const files = "RLIMIT_NOFILE"
	// A hook has the limit of process 1 already.
	if !p.isHook && !slices.ContainsFunc(p.Process.Rlimits, func(limit specs.POSIXRlimit) bool { return limit.Type == files }) {
		p.limit(files, unix.RLIMIT_NOFILE, p.saved)
	}
	for i, limit := range p.Process.Rlimits {
		resource, known := spec.Rlimit(limit.Type)
		if !known {
			return fmt.Errorf("process.rlimits[%d]: unknown limit %q", i, limit.Type)
		}
		if namespace.Nested() {
			// Only CAP_SYS_RESOURCE of the host can raise a hard limit. The command gets as much as there is. prlimit(2)
			limit = p.lowered(limit, resource)
		}
		p.limit(limit.Type, resource, p.Struct(&unix.Rlimit{Cur: limit.Soft, Max: limit.Hard}))
	}
	return nil
}

// lowered returns a limit that is not above our own hard limit, and remembers both for a warning.
func (p *Program) lowered(limit specs.POSIXRlimit, resource int) specs.POSIXRlimit {
	var own unix.Rlimit
	if unix.Getrlimit(resource, &own) != nil || limit.Hard <= own.Max {
		return limit
	}
	p.Lowered = append(p.Lowered, fmt.Sprintf("%s is %d", limit.Type, own.Max))
	limit.Hard, limit.Soft = own.Max, min(limit.Soft, own.Max)
	return limit
}

func (p *Program) limit(name string, resource int, value any) {
	call := fmt.Sprintf("prlimit(%s)", name)
	p.Stage(call, "prlimit(2)", 0)
	p.Do(unix.SYS_PRLIMIT64, 0, resource, value, 0).Fails(func(err error, _ string) error {
		if errors.Is(err, unix.EPERM) {
			err = fmt.Errorf("%w (a hard limit above yours, see ulimit -Ha, needs CAP_SYS_RESOURCE; nofile must not be above fs.nr_open)", err)
		}
		return fmt.Errorf("%s: %w", call, err)
	})
}

// priorities sets how the kernel schedules the command and its I/O, and which kind of system the command sees. Most of these calls need
// rights, so they come before the change of user. sched(7), ioprio_set(2), personality(2)
func (p *Program) priorities() error {
	if s := p.Process.Scheduler; s != nil {
		attr, err := spec.SchedAttr(s)
		if err != nil {
			return fmt.Errorf("process.scheduler%w", err)
		}
		p.Stage(fmt.Sprintf("sched_setattr(%s)", s.Policy), "sched_setattr(2)", 0)
		p.Do(unix.SYS_SCHED_SETATTR, 0, p.Struct(attr), 0)
	}
	if i := p.Process.IOPriority; i != nil {
		const process = 1
		priority, err := spec.IOPriority(i)
		if err != nil {
			return fmt.Errorf("process.ioPriority.%w", err)
		}
		p.Stage(fmt.Sprintf("ioprio_set(%s, %d)", i.Class, i.Priority), "ioprio_set(2)", 0)
		p.Do(unix.SYS_IOPRIO_SET, process, 0, priority)
	}
	if d := p.Config.Linux.Personality; d != nil {
		domain, err := spec.Personality(d)
		if err != nil {
			return fmt.Errorf("linux.personality.%w", err)
		}
		p.Stage(fmt.Sprintf("personality(%s)", d.Domain), "personality(2)", 0)
		p.Do(unix.SYS_PERSONALITY, domain)
	}
	return nil
}

// affinity binds the command to its processors, once the command is in its cgroups. Without this call the command would keep the
// processors of the caller even if the cgroup allows more. With execCPUAffinity.initial alone nothing changes here. config.md
func (p *Program) affinity() error {
	a := p.Affinity
	switch {
	case a == nil || a.Initial == "" && a.Final == "":
		p.Stage("sched_setaffinity(all)", "sched_setaffinity(2)", 0)
		// If the kernel does not allow this, the command keeps the processors of the caller.
		p.setAffinity(slices.Repeat([]uint64{math.MaxUint64}, spec.MaxCPUs/64), nil)
	case a.Final != "":
		some, err := spec.CPUs(a.Final)
		if err != nil {
			return fmt.Errorf("process.execCPUAffinity.final: %w", err)
		}
		p.Stage(fmt.Sprintf("sched_setaffinity(%s)", a.Final), "sched_setaffinity(2)", 0)
		p.setAffinity(some, func(err error, _ string) error { return fmt.Errorf("sched_setaffinity(%s): %w", a.Final, err) })
	}
	return nil
}

// initialAffinity binds a process that joins a container to processors, before the process is in the cgroups.
func (p *Program) initialAffinity() error {
	if p.Affinity == nil || p.Affinity.Initial == "" {
		return nil
	}
	list := p.Affinity.Initial
	some, err := spec.CPUs(list)
	if err != nil {
		return fmt.Errorf("process.execCPUAffinity.initial: %w", err)
	}
	p.Stage(fmt.Sprintf("sched_setaffinity(%s)", list), "sched_setaffinity(2)", 0)
	p.setAffinity(some, func(err error, _ string) error {
		return fmt.Errorf("process.execCPUAffinity.initial: sched_setaffinity(%s): %w", list, err)
	})
	return nil
}

// setAffinity binds the process to the processors of a mask. The kernel ignores processors that the host does not have. If failed is nil, the
// process goes on after a failure.
func (p *Program) setAffinity(mask []uint64, failed func(error, string) error) {
	call := p.Do(unix.SYS_SCHED_SETAFFINITY, 0, len(mask)*8, p.words(mask))
	if failed == nil {
		call.Ignore()
		return
	}
	call.Fails(failed)
}

// memoryPolicy sets from which memory nodes the command gets its memory. A thread keeps its policy through fork and execve. The call
// follows the join of the cgroups, because it chooses among the nodes of the cpuset. set_mempolicy(2)
func (p *Program) memoryPolicy() error {
	m := p.Config.Linux.MemoryPolicy
	if m == nil {
		return nil
	}
	mode, nodes, err := spec.MemoryPolicy(m)
	if err != nil {
		return fmt.Errorf("linux.memoryPolicy.%w", err)
	}
	p.Stage(fmt.Sprintf("set_mempolicy(%s)", m.Mode), "set_mempolicy(2)", 0)
	// The kernel reads one bit less than the call says.
	p.Do(unix.SYS_SET_MEMPOLICY, mode, p.words(nodes), len(nodes)*64+1).Fails(func(err error, _ string) error {
		switch {
		case errors.Is(err, unix.EINVAL):
			err = fmt.Errorf("%w (use nodes that are in /sys/devices/system/node/has_memory and in the cpuset, and a mode and flags that this kernel knows)", err)
		case errors.Is(err, unix.ENOSYS):
			err = fmt.Errorf("%w (the kernel has no NUMA: leave the field out)", err)
		}
		return fmt.Errorf("linux.memoryPolicy: set_mempolicy(%s, nodes %q, flags %q): %w", m.Mode, m.Nodes, m.Flags, err)
	})
	return nil
}
