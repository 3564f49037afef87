//go:build linux

// Package seccomp turns the seccomp profile of a container into a filter program for the kernel. It runs on the host side
// and changes nothing there: the container side loads the program, last of all before execve. seccomp(2)
package seccomp

import (
	"errors"
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// refuse fails a system call as a kernel does that lacks it, so that the C library takes an older one.
const refuse = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)

// Compile turns a profile into a program of classic BPF for seccomp(2). It does for each system call:
//
//   - Only those of the native architecture are looked at. Others (i386 on amd64, 32-bit ARM on arm64) kill the process and
//     x32 ones fail with ENOSYS, whatever the actions of the profile: the numbers mean other calls there. An entry in
//     Architectures may name any architecture of the specification and changes nothing.
//   - Rules with conditions come first, in the order of the profile, and the first that matches decides. Then come rules
//     without conditions, of which the first decides, then the default action. In libseccomp, which runc and crun use, one
//     without conditions makes those with conditions void.
//   - The conditions of a rule must all hold. If two of them are about the same argument, one is enough, as with runc.
//   - Comparisons are unsigned and of 64 bits. The kernel looks only at 32 of them where an argument is an int, so a rule
//     against such a value must be SCMP_CMP_MASKED_EQ with the mask 0xffffffff.
//   - If the default action is SCMP_ACT_ERRNO, calls newer than any that the profile names fail with ENOSYS: who wrote the
//     profile did not know them, and the C library has an older call for them. If it names none, those are meant that are
//     newer than our table.
//   - Names that this architecture lacks are left out.
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
	flags := uint(0)
	for i, flag := range profile.Flags {
		switch flag {
		case "SECCOMP_FILTER_FLAG_TSYNC":
		case specs.LinuxSeccompFlagLog:
			flags |= unix.SECCOMP_FILTER_FLAG_LOG
		case specs.LinuxSeccompFlagSpecAllow:
			flags |= unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
		case specs.LinuxSeccompFlagWaitKillableRecv:
			flags |= unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
		default:
			return 0, fmt.Errorf("flags[%d]: unknown flag %q", i, flag)
		}
	}
	notifies := profile.DefaultAction == specs.ActNotify
	for i := range profile.Syscalls {
		notifies = notifies || profile.Syscalls[i].Action == specs.ActNotify
	}
	switch {
	case notifies && profile.ListenerPath == "":
		return 0, fmt.Errorf("listenerPath: missing, and %s needs it", specs.ActNotify)
	case profile.ListenerMetadata != "" && profile.ListenerPath == "":
		return 0, errors.New("listenerMetadata: needs listenerPath")
	case notifies:
		flags |= unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
	default:
		flags &^= unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	}
	return flags, nil
}

// span is a range of system call numbers, up to the next span's first, that have the same action, or a single number
// with rules.
type span struct {
	first  uint32
	rules  []rule
	action uint32
}

// assemble writes the program, from its end to its start.
func (p *policy) assemble() []unix.SockFilter {
	a := newAssembler()
	root := a.search(p.spans())
	if x32Bit != 0 {
		root = a.jump(unix.BPF_JSET, x32Bit, a.ret(refuse), root)
	}
	native := a.load(offsetNumber, root)
	a.load(offsetArch, a.jump(unix.BPF_JEQ, auditArch, native, a.ret(unix.SECCOMP_RET_KILL_PROCESS)))
	return a.program()
}

// spans covers all numbers, in order. Neighbours with the same action are one.
func (p *policy) spans() []span {
	spans := make([]span, 0, 128)
	put := func(next span) {
		if n := len(spans); n > 0 && spans[n-1].rules == nil && next.rules == nil && spans[n-1].action == next.action {
			return
		}
		spans = append(spans, next)
	}
	for number := range p.calls {
		c := &p.calls[number]
		action := p.byDefault
		switch {
		case c.unconditional:
			action = c.action
		case p.newest >= 0 && number > p.newest:
			action = p.newer()
		}
		put(span{uint32(number), c.rules, action})
	}
	put(span{newestSystemCall + 1, nil, p.newer()})
	return spans
}

// newer is the action for system calls that the profile is too old to know.
func (p *policy) newer() uint32 {
	if p.byDefault&unix.SECCOMP_RET_ACTION_FULL == unix.SECCOMP_RET_ERRNO {
		return refuse
	}
	return p.byDefault
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
