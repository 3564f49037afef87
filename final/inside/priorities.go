//go:build linux

package inside

import (
	"fmt"
	"strconv"
	"strings"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
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
		return nil, fmt.Errorf("process.scheduler.policy: the kernel has no %q", s.Policy)
	}
	attr := &unix.SchedAttr{
		Size: unix.SizeofSchedAttr, Policy: policy, Nice: s.Nice, Priority: uint32(s.Priority),
		Runtime: s.Runtime, Deadline: s.Deadline, Period: s.Period,
	}
	for _, name := range s.Flags {
		flag, ok := schedulerFlags[name]
		if !ok {
			return nil, fmt.Errorf("process.scheduler.flags: the kernel has no %q", name)
		}
		attr.Flags |= flag
	}
	return attr, nil
}

// When a process that joins a container gets its processors: before it is in the cgroups, or after.
func initial(a *specs.CPUAffinity) string { return a.Initial }
func final(a *specs.CPUAffinity) string   { return a.Final }

// affinity adds on which processors the command is to run. sched_setaffinity(2)
func (l *last) affinity(a *specs.CPUAffinity, when func(*specs.CPUAffinity) string) error {
	if a == nil || when(a) == "" {
		return nil
	}
	set := new(unix.CPUSet)
	for part := range strings.SplitSeq(when(a), ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			last = first
		}
		from, err1 := strconv.ParseUint(first, 10, 12)
		to, err2 := strconv.ParseUint(last, 10, 12)
		if err1 != nil || err2 != nil || from > to {
			return fmt.Errorf("process.execCPUAffinity: %q: want numbers and ranges, such as 0-3,5", part)
		}
		for cpu := from; cpu <= to; cpu++ {
			set.Set(int(cpu))
		}
	}
	l.keep = append(l.keep, set)
	l.add(fmt.Sprintf("sched_setaffinity(%s)", when(a)), "sched_setaffinity(2)", call{unix.SYS_SCHED_SETAFFINITY, [5]uintptr{0, unsafe.Sizeof(*set), uintptr(unsafe.Pointer(set))}})
	return nil
}
