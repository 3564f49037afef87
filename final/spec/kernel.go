//go:build linux

package spec

import (
	"fmt"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A vocabulary has the words that a field of the configuration may have, each with the kernel's number for it.
type vocabulary[W ~string] []struct {
	word   W
	number int
}

// find returns the kernel's number for a word.
func (v vocabulary[W]) find(word W) (number int, known bool) {
	for _, row := range v {
		if row.word == word {
			return row.number, true
		}
	}
	return 0, false
}

// names returns all words, in the order of the table.
func (v vocabulary[W]) names() []string {
	names := make([]string, len(v))
	for i, row := range v {
		names[i] = string(row.word)
	}
	return names
}

// rlimits are the limits of getrlimit(2).
var rlimits = vocabulary[string]{
	{"RLIMIT_AS", unix.RLIMIT_AS},
	{"RLIMIT_CORE", unix.RLIMIT_CORE},
	{"RLIMIT_CPU", unix.RLIMIT_CPU},
	{"RLIMIT_DATA", unix.RLIMIT_DATA},
	{"RLIMIT_FSIZE", unix.RLIMIT_FSIZE},
	{"RLIMIT_LOCKS", unix.RLIMIT_LOCKS},
	{"RLIMIT_MEMLOCK", unix.RLIMIT_MEMLOCK},
	{"RLIMIT_MSGQUEUE", unix.RLIMIT_MSGQUEUE},
	{"RLIMIT_NICE", unix.RLIMIT_NICE},
	{"RLIMIT_NOFILE", unix.RLIMIT_NOFILE},
	{"RLIMIT_NPROC", unix.RLIMIT_NPROC},
	{"RLIMIT_RSS", unix.RLIMIT_RSS},
	{"RLIMIT_RTPRIO", unix.RLIMIT_RTPRIO},
	{"RLIMIT_RTTIME", unix.RLIMIT_RTTIME},
	{"RLIMIT_SIGPENDING", unix.RLIMIT_SIGPENDING},
	{"RLIMIT_STACK", unix.RLIMIT_STACK},
}

// Rlimit returns the kernel's number for a limit such as RLIMIT_NOFILE. getrlimit(2)
func Rlimit(kind string) (number int, known bool) { return rlimits.find(kind) }

// RlimitNames returns the names that ulimit has for these limits, such as nofile for RLIMIT_NOFILE.
func RlimitNames() []string {
	names := rlimits.names()
	for i, name := range names {
		names[i] = strings.ToLower(strings.TrimPrefix(name, "RLIMIT_"))
	}
	return names
}

// schedIsolated is the number that Linux has reserved for SCHED_ISO. No kernel has this policy.
const schedIsolated = 4

var schedPolicies = vocabulary[specs.LinuxSchedulerPolicy]{
	{specs.SchedOther, unix.SCHED_NORMAL},
	{specs.SchedBatch, unix.SCHED_BATCH},
	{specs.SchedIdle, unix.SCHED_IDLE},
	{specs.SchedFIFO, unix.SCHED_FIFO},
	{specs.SchedRR, unix.SCHED_RR},
	{specs.SchedDeadline, unix.SCHED_DEADLINE},
	{specs.SchedISO, schedIsolated},
}

var schedFlags = vocabulary[specs.LinuxSchedulerFlag]{
	{specs.SchedFlagResetOnFork, unix.SCHED_FLAG_RESET_ON_FORK},
	{specs.SchedFlagReclaim, unix.SCHED_FLAG_RECLAIM},
	{specs.SchedFlagDLOverrun, unix.SCHED_FLAG_DL_OVERRUN},
	{specs.SchedFlagKeepPolicy, unix.SCHED_FLAG_KEEP_POLICY},
	{specs.SchedFlagKeepParams, unix.SCHED_FLAG_KEEP_PARAMS},
	{specs.SchedFlagUtilClampMin, unix.SCHED_FLAG_UTIL_CLAMP_MIN},
	{specs.SchedFlagUtilClampMax, unix.SCHED_FLAG_UTIL_CLAMP_MAX},
}

// SchedAttr returns what sched_setattr(2) wants for a scheduler. It also refuses settings that belong to another policy, because the
// kernel says no more of them than EINVAL. An error starts behind "process.scheduler". sched(7)
func SchedAttr(s *specs.Scheduler) (*unix.SchedAttr, error) {
	policy, known := schedPolicies.find(s.Policy)
	realtime := policy == unix.SCHED_FIFO || policy == unix.SCHED_RR
	v := new(verdict)
	v.refuse(!known, ".policy: unknown policy %q: must be one of %s", s.Policy, strings.Join(schedPolicies.names(), ", "))
	v.refuse(s.Nice < -20 || s.Nice > 19, ".nice: %d: must be from -20 to 19", s.Nice)
	v.refuse(s.Priority < 0 || s.Priority > 99, ".priority: %d: must be from 0 to 99", s.Priority)
	v.refuse(realtime && s.Priority == 0, ".priority: 0: must be from 1 to 99 for %s", s.Policy)
	v.refuse(!realtime && s.Priority != 0, ".priority: %d: must be 0 for %s, as only SCHED_FIFO and SCHED_RR have priorities", s.Priority, s.Policy)
	v.refuse(policy != unix.SCHED_DEADLINE && (s.Runtime|s.Deadline|s.Period) != 0,
		": runtime, deadline and period are for SCHED_DEADLINE: leave them out for %s", s.Policy)
	attr := &unix.SchedAttr{
		Size: unix.SizeofSchedAttr, Policy: uint32(policy), Nice: s.Nice, Priority: uint32(s.Priority),
		Runtime: s.Runtime, Deadline: s.Deadline, Period: s.Period,
	}
	for i, name := range s.Flags {
		flag, known := schedFlags.find(name)
		v.refuse(!known, ".flags[%d]: unknown flag %q: use one such as SCHED_FLAG_RESET_ON_FORK", i, name)
		attr.Flags |= uint64(flag)
	}
	return attr, v.err
}

var ioClasses = vocabulary[specs.IOPriorityClass]{{specs.IOPRIO_CLASS_RT, 1}, {specs.IOPRIO_CLASS_BE, 2}, {specs.IOPRIO_CLASS_IDLE, 3}}

// IOPriority returns what ioprio_set(2) wants for a priority.
func IOPriority(p *specs.LinuxIOPriority) (uintptr, error) {
	const classShift = 13
	class, known := ioClasses.find(p.Class)
	v := new(verdict)
	v.refuse(!known, "class: unknown class %q: must be one of %s", p.Class, strings.Join(ioClasses.names(), ", "))
	v.refuse(p.Priority < 0 || p.Priority > 7, "priority: %d: must be from 0 to 7", p.Priority)
	return uintptr(class<<classShift | p.Priority), v.err
}

// Personality returns what personality(2) wants for an execution domain.
func Personality(p *specs.LinuxPersonality) (uintptr, error) {
	numbers := vocabulary[specs.LinuxPersonalityDomain]{{specs.PerLinux, 0}, {specs.PerLinux32, 8}}
	number, known := numbers.find(p.Domain)
	if !known {
		return 0, fmt.Errorf("domain: %q: must be %s or %s", p.Domain, specs.PerLinux, specs.PerLinux32)
	}
	if len(p.Flags) > 0 {
		return 0, fmt.Errorf("flags[0]: %q: unknown flag: the specification defines no flags", p.Flags[0])
	}
	return uintptr(number), nil
}
