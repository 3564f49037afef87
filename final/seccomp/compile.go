//go:build linux

// Package seccomp turns the seccomp profile of a container into a filter program for the kernel. It runs on the host side
// and changes nothing there: the container side loads the program, last of all before execve. seccomp(2)
package seccomp

import (
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// refuse fails a system call as a kernel does that lacks it, so that the C library takes an older one.
const refuse = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)

// Compile turns a profile into a program of classic BPF for seccomp(2). It does for each system call:
//
//   - The native architecture is always open. SCMP_ARCH_X86 in Architectures opens i386 on amd64, and SCMP_ARCH_ARM 32-bit
//     ARM on arm64: the rules then hold there for the calls of the same name. If not, such calls kill the process, whatever
//     the actions of the profile, as the numbers mean other calls there. SCMP_ARCH_X32 opens x32 on amd64 in the same way.
//     If it is absent, calls of x32 fail with ENOSYS. All other architectures of the specification are ignored.
//   - On i386, socket(2) and its like also go through socketcall(2), and those of System V through ipc(2). A rule without
//     conditions holds for both ways, and comes before one for socketcall without conditions. Arguments cannot be seen
//     there. So if there are rules with conditions, one for socketcall or ipc without any decides, as in Docker's profile,
//     which allows both. If there is none, the strictest of the actions that the call can have is taken.
//   - Rules with conditions come first, in the order of the profile, and the first that matches decides. Then come rules
//     without conditions, of which the first decides, then the default action. In libseccomp, which runc and crun use, one
//     without conditions makes those with conditions void.
//   - The conditions of a rule must all hold. If two of them are about the same argument, one is enough, as with runc.
//   - Comparisons are unsigned and of 64 bits. The kernel looks only at 32 of them where an argument is an int, so a rule
//     against such a value must be SCMP_CMP_MASKED_EQ with the mask 0xffffffff.
//   - If the default action is SCMP_ACT_ERRNO, calls newer than any that the profile names fail with ENOSYS: who wrote the
//     profile did not know them, and the C library has an older call for them. If it names none, those are meant that are
//     newer than our table. It is counted for each architecture by its own numbers.
//   - Names that an architecture lacks are left out there.
//
// SCMP_ACT_KILL is SCMP_ACT_KILL_THREAD. SCMP_ACT_ERRNO and SCMP_ACT_TRACE without an errno have EPERM.
//
// Errors begin with the path of the field, as in `seccomp.syscalls[3].args[0].op: unknown operator "SCMP_CMP_FOO"`: for an
// unknown action, operator or architecture, an argument above 5, an errno above 4095 (65535 for SCMP_ACT_TRACE) or for an
// action without one, no names, and a program of more than 4096 instructions.
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

// Program is the filter in the form that seccomp(2) and prctl(2) take. It points into the filter, which must not be empty.
func Program(filter []unix.SockFilter) *unix.SockFprog {
	return &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
}

// Flags is the second argument of seccomp(2) for a profile. SECCOMP_FILTER_FLAG_NEW_LISTENER is in it if an action is
// SCMP_ACT_NOTIFY: then seccomp(2) returns a descriptor for the agent that listens at ListenerPath.
// SECCOMP_FILTER_FLAG_TSYNC is left out, as execve(2) leaves no other thread, and
// SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV is if nothing notifies, as the kernel wants it.
//
// Errors begin with the path of the field: for an unknown flag, SCMP_ACT_NOTIFY without ListenerPath, and
// ListenerMetadata without it.
//
// OCI runtime specification, config-linux.md, section Seccomp.
func Flags(profile *specs.LinuxSeccomp) (uint, error) {
	flags, err := parseFlags(profile)
	if err != nil {
		return 0, fmt.Errorf("seccomp.%w", err)
	}
	return flags, nil
}

func parseFlags(profile *specs.LinuxSeccomp) (uint, error) {
	wanted := uint(0)
	for i, flag := range profile.Flags {
		known := slices.IndexFunc(flags[:], func(f filterFlag) bool { return f.name == flag })
		if known < 0 {
			return 0, fmt.Errorf("flags[%d]: unknown flag %q", i, flag)
		}
		wanted |= flags[known].value
	}
	wanted &^= unix.SECCOMP_FILTER_FLAG_TSYNC
	notifies := profile.DefaultAction == specs.ActNotify
	for i := range profile.Syscalls {
		notifies = notifies || profile.Syscalls[i].Action == specs.ActNotify
	}
	switch {
	case notifies && profile.ListenerPath == "":
		return 0, fmt.Errorf("listenerPath: missing: %s needs it", specs.ActNotify)
	case profile.ListenerMetadata != "" && profile.ListenerPath == "":
		return 0, errors.New("listenerMetadata: needs listenerPath")
	case notifies:
		wanted |= unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
	default:
		wanted &^= unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	}
	return wanted, nil
}

// assemble writes the program, from its end to its start. The native architecture comes first when it runs, as nearly all
// calls are of it.
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

// search halves the spans until one is left. The accumulator holds the number.
func (a *assembler) search(spans []span) label {
	if len(spans) == 1 {
		return a.decide(spans[0])
	}
	middle := len(spans) / 2
	upper := a.search(spans[middle:])
	lower := a.search(spans[:middle])
	return a.jump(unix.BPF_JGE, spans[middle].first, upper, lower)
}

// decide tries the rules of a system call in order. It forgets the number, which nothing needs any more.
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
