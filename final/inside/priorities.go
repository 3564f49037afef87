//go:build linux

package inside

import (
	"fmt"
	"strconv"
	"strings"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/stage"
)

// priorities adds what the command has against others, and for what kind of machine it is. Only the last of these needs no
// rights, so they come before those go. sched(7), ioprio_set(2), personality(2)
func (l *last) priorities(c *container) error {
	if s := c.Scheduler; s != nil {
		attr, err := schedulerOf(s)
		if err != nil {
			return err
		}
		l.keep = append(l.keep, attr)
		l.add(fmt.Sprintf("sched_setattr(%s)", s.Policy), "sched_setattr(2)", call{unix.SYS_SCHED_SETATTR, [5]uintptr{0, uintptr(unsafe.Pointer(attr)), 0}})
	}
	if p := c.IOPriority; p != nil {
		const process, shift = 1, 13
		class, ok := ioClasses[p.Class]
		if !ok {
			return fmt.Errorf("process.ioPriority.class: unknown class %q", p.Class)
		}
		l.add(fmt.Sprintf("ioprio_set(%s, %d)", p.Class, p.Priority), "ioprio_set(2)", call{unix.SYS_IOPRIO_SET, [5]uintptr{process, 0, class<<shift | uintptr(p.Priority)}})
	}
	if p := c.Personality; p != nil {
		domain, ok := map[specs.LinuxPersonalityDomain]uintptr{specs.PerLinux: 0, specs.PerLinux32: 8}[p.Domain]
		if !ok {
			return fmt.Errorf("linux.personality.domain: unknown domain %q", p.Domain)
		}
		l.add(fmt.Sprintf("personality(%s)", p.Domain), "personality(2)", call{unix.SYS_PERSONALITY, [5]uintptr{domain}})
	}
	return nil
}

var ioClasses = map[specs.IOPriorityClass]uintptr{specs.IOPRIO_CLASS_RT: 1, specs.IOPRIO_CLASS_BE: 2, specs.IOPRIO_CLASS_IDLE: 3}

var policies = map[specs.LinuxSchedulerPolicy]uint32{
	specs.SchedOther: unix.SCHED_NORMAL, specs.SchedFIFO: unix.SCHED_FIFO, specs.SchedRR: unix.SCHED_RR, specs.SchedBatch: unix.SCHED_BATCH,
	specs.SchedIdle: unix.SCHED_IDLE, specs.SchedDeadline: unix.SCHED_DEADLINE,
}

var schedulerFlags = map[specs.LinuxSchedulerFlag]uint64{
	specs.SchedFlagResetOnFork: unix.SCHED_FLAG_RESET_ON_FORK, specs.SchedFlagReclaim: unix.SCHED_FLAG_RECLAIM,
	specs.SchedFlagDLOverrun: unix.SCHED_FLAG_DL_OVERRUN, specs.SchedFlagKeepPolicy: unix.SCHED_FLAG_KEEP_POLICY,
	specs.SchedFlagKeepParams: unix.SCHED_FLAG_KEEP_PARAMS, specs.SchedFlagUtilClampMin: unix.SCHED_FLAG_UTIL_CLAMP_MIN,
	specs.SchedFlagUtilClampMax: unix.SCHED_FLAG_UTIL_CLAMP_MAX,
}

func schedulerOf(s *specs.Scheduler) (*unix.SchedAttr, error) {
	policy, ok := policies[s.Policy]
	if !ok {
		return nil, fmt.Errorf("process.scheduler.policy: unknown policy %q", s.Policy)
	}
	attr := &unix.SchedAttr{
		Size: unix.SizeofSchedAttr, Policy: policy, Nice: s.Nice, Priority: uint32(s.Priority),
		Runtime: s.Runtime, Deadline: s.Deadline, Period: s.Period,
	}
	for _, name := range s.Flags {
		flag, ok := schedulerFlags[name]
		if !ok {
			return nil, fmt.Errorf("process.scheduler.flags: unknown flag %q", name)
		}
		attr.Flags |= flag
	}
	return attr, nil
}

// A cpuMask has a bit for each processor. The kernel ignores processors that the host does not have. sched_setaffinity(2)
type cpuMask [maxCPUs / 64]uint64

// maxCPUs is how many processors Linux can be built for.
const maxCPUs = 8192

func (m *cpuMask) set() call {
	return call{unix.SYS_SCHED_SETAFFINITY, [5]uintptr{0, unsafe.Sizeof(*m), uintptr(unsafe.Pointer(m))}}
}

// allCPUs makes a mask of all processors.
func allCPUs() *cpuMask {
	m := new(cpuMask)
	for i := range m {
		m[i] = ^uint64(0)
	}
	return m
}

// parseCPUs reads a list of processors. cpuset(7), "List format"
func parseCPUs(list string) (*cpuMask, error) {
	m := new(cpuMask)
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			last = first
		}
		from, err1 := strconv.ParseUint(first, 10, 32)
		to, err2 := strconv.ParseUint(last, 10, 32)
		if err1 != nil || err2 != nil || from > to || to >= maxCPUs {
			return nil, fmt.Errorf("process.execCPUAffinity: %q: must be numbers below %d and ranges, such as 0-3,5", part, maxCPUs)
		}
		for cpu := from; cpu <= to; cpu++ {
			m[cpu/64] |= 1 << (cpu % 64)
		}
	}
	return m, nil
}

// affinity adds on which processors the command is to run, now that it is in its cgroups. What the caller was bound to would stay
// even where the cgroup allows more. config.md, execCPUAffinity: with initial alone nothing changes here.
func (l *last) affinity(a *specs.CPUAffinity) error {
	switch {
	case a == nil || a.Initial == "" && a.Final == "":
		all := allCPUs()
		l.keep = append(l.keep, all)
		l.list = append(l.list, stage.Stage{Call: "sched_setaffinity(all)", Man: "sched_setaffinity(2)", Do: func() error {
			// If that is not allowed, the command keeps the processors of the caller.
			_ = all.set().make()
			return nil
		}})
	case a.Final != "":
		some, err := parseCPUs(a.Final)
		if err != nil {
			return err
		}
		l.keep = append(l.keep, some)
		l.add(fmt.Sprintf("sched_setaffinity(%s)", a.Final), "sched_setaffinity(2)", some.set())
	}
	return nil
}

// initialAffinity returns what binds a process that joins a container to processors, before it is in the cgroups.
func (c *container) initialAffinity() ([]stage.Stage, error) {
	if c.CPUAffinity == nil || c.CPUAffinity.Initial == "" {
		return nil, nil
	}
	list := c.CPUAffinity.Initial
	some, err := parseCPUs(list)
	if err != nil {
		return nil, err
	}
	return []stage.Stage{{Call: fmt.Sprintf("sched_setaffinity(%s)", list), Man: "sched_setaffinity(2)", Do: func() error {
		if err := some.set().make(); err != nil {
			return fmt.Errorf("process.execCPUAffinity.initial: sched_setaffinity(%s): %w", list, err)
		}
		return nil
	}}}, nil
}
