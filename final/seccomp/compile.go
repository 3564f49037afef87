//go:build linux

// Package seccomp runs on the host side, in the final that you started. It turns the seccomp profile of a container into a
// filter: a program that the kernel runs at each system call of the container. It changes nothing on the host. Process 1 loads
// the filter as its last call before execve(2). seccomp(2)
package seccomp

import (
	"errors"
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// refuse makes a system call fail with ENOSYS, as in a kernel that lacks the call. The C library then takes an older call.
const refuse = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)

// Compile turns a profile into a filter, a program of classic BPF for seccomp(2). These rules say what the filter does:
//
//   - Architectures: the native one is always open. SCMP_ARCH_X86 in Architectures opens i386 on amd64, and SCMP_ARCH_ARM opens
//     32-bit ARM on arm64: the rules of the profile then hold there for the calls with the same name. A call of an architecture
//     that is not open kills the process, whatever the actions of the profile, because its number means another call. SCMP_ARCH_X32
//     opens x32 on amd64; calls of x32 fail with ENOSYS if it is not open. Compile ignores all other architectures of the
//     specification, and the names that an architecture lacks.
//   - Two ways to one call: on i386, programs reach socket(2) and its relatives through socketcall(2) too, and the calls of
//     System V IPC through ipc(2). A rule without conditions holds for both ways, and comes before a rule without conditions for
//     socketcall itself. The filter cannot see arguments that go through socketcall or ipc. So where a rule has conditions, a rule
//     without conditions for socketcall or ipc decides: Docker's profile allows both. If there is no such rule, the filter takes
//     the strictest action that the call can have.
//   - Order: rules with conditions come first, in the order of the profile, and the first rule that matches decides. Then come
//     rules without conditions, where the first decides, and then the default action. This differs from libseccomp, which runc
//     and crun use: there a rule without conditions cancels the rules with conditions.
//   - Conditions: all conditions of a rule must hold. If two of them are about the same argument, one is enough, as with runc.
//     Comparisons are unsigned and of 64 bits. The kernel reads only 32 bits of an argument that is an int. To refuse such a
//     value, write SCMP_CMP_MASKED_EQ with the mask 0xffffffff.
//   - New calls: if the default action is SCMP_ACT_ERRNO, calls that are newer than all calls in the profile fail with ENOSYS,
//     because the author of the profile did not know them, and the C library has an older call in their place. If the profile
//     names no call, this goes for calls that are newer than our table. Each architecture counts by its own numbers.
//
// SCMP_ACT_KILL is SCMP_ACT_KILL_THREAD. SCMP_ACT_ERRNO and SCMP_ACT_TRACE have EPERM unless the profile says otherwise.
//
// Errors begin with the path of the field, as in `seccomp.syscalls[3].args[0].op: unknown operator "SCMP_CMP_FOO"`. A filter of
// more than 4096 instructions is an error too: the kernel takes no longer one.
//
// OCI runtime specification, config-linux.md, section Seccomp.
func Compile(profile *specs.LinuxSeccomp) ([]unix.SockFilter, error) {
	if profile == nil {
		return nil, errors.New("seccomp: no profile")
	}
	p, err := newPolicy(profile)
	if err != nil {
		return nil, fmt.Errorf("seccomp.%w", err)
	}
	program := p.assemble()
	if len(program) > unix.BPF_MAXINSNS {
		return nil, fmt.Errorf("seccomp.syscalls: %s: it has %d", tooLong, len(program))
	}
	return program, nil
}

// Program is a filter in the form that seccomp(2) and prctl(2) take. It points into the filter, which must not be empty.
func Program(filter []unix.SockFilter) *unix.SockFprog {
	return &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
}

// Flags is the second argument of seccomp(2) for a profile. If an action is SCMP_ACT_NOTIFY, Flags adds
// SECCOMP_FILTER_FLAG_NEW_LISTENER: seccomp(2) then returns a descriptor for the agent at ListenerPath. Without such an action
// Flags removes SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, which the kernel would refuse. It always removes
// SECCOMP_FILTER_FLAG_TSYNC, because execve(2) leaves no other thread.
//
// Errors begin with the path of the field.
//
// OCI runtime specification, config-linux.md, section Seccomp.
func Flags(profile *specs.LinuxSeccomp) (uint, error) {
	wanted, err := parseFlags(profile)
	if err != nil {
		return 0, fmt.Errorf("seccomp.%w", err)
	}
	return wanted, nil
}

func parseFlags(profile *specs.LinuxSeccomp) (uint, error) {
	wanted := uint(0)
	for i, flag := range profile.Flags {
		value, known := find(flags, flag)
		if !known {
			return 0, fmt.Errorf("flags[%d]: unknown flag %q", i, flag)
		}
		wanted |= value
	}
	wanted &^= unix.SECCOMP_FILTER_FLAG_TSYNC
	notifies := profile.DefaultAction == specs.ActNotify
	for i := range profile.Syscalls {
		notifies = notifies || profile.Syscalls[i].Action == specs.ActNotify
	}
	if !notifies {
		return wanted &^ unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, nil
	}
	if profile.ListenerPath == "" {
		return 0, fmt.Errorf("listenerPath: missing: %s needs it", specs.ActNotify)
	}
	return wanted | unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, nil
}

// assemble writes the program, from its end to its start. The program tests for the native architecture first, because nearly all
// calls come from native programs.
func (p *policy) assemble() []unix.SockFilter {
	a := newAssembler()
	native, others := &p.branches[0], p.branches[1:]
	entries := make([]label, len(others))
	for i := range others {
		entries[i] = a.load(offsetNumber, a.search(others[i].spans()))
	}
	root := a.search(native.spans())
	switch {
	case p.x32:
		root = a.and(^uint32(x32Bit), root)
	case x32Bit != 0:
		root = a.jump(unix.BPF_JSET, x32Bit, a.ret(refuse), root)
	}
	entry := a.load(offsetNumber, root)
	next := a.ret(unix.SECCOMP_RET_KILL_PROCESS)
	for i := range others {
		next = a.jump(unix.BPF_JEQ, others[i].audit, entries[i], next)
	}
	a.load(offsetArch, a.jump(unix.BPF_JEQ, native.audit, entry, next))
	return a.program()
}

// search finds the span of a system call: each jump halves the spans, until one is left. The accumulator holds the number of the
// call.
func (a *assembler) search(spans []span) label {
	if len(spans) == 1 {
		return a.decide(spans[0])
	}
	middle := len(spans) / 2
	upper := a.search(spans[middle:])
	lower := a.search(spans[:middle])
	return a.jump(unix.BPF_JGE, spans[middle].first, upper, lower)
}

// decide tries the rules of a system call in order. The accumulator loses the number of the call, which nobody needs any more.
func (a *assembler) decide(s span) label {
	next := a.ret(s.action)
	for i := len(s.rules) - 1; i >= 0; i-- {
		when, no := s.rules[i].when, next
		next = a.ret(s.rules[i].action)
		for j := len(when) - 1; j >= 0; j-- {
			next = a.compare(when[j], next, no)
		}
	}
	return next
}
