//go:build linux

package seccomp_test

import (
	"math/rand/v2"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// dice makes profiles and events from a seed. It takes few different values, so that comparisons hold as often as they do not.
type dice struct{ *rand.Rand }

func newDice(seed uint64) dice { return dice{rand.New(rand.NewPCG(seed, 1))} }

func one[T any](d dice, of ...T) T { return of[d.IntN(len(of))] }

func (d dice) value() uint64 {
	low := one(d, 0, 1, 2, 38, 39, 40, 0x5412, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, uint64(d.Uint32()))
	high := one(d, 0, 0, 0, 1, 2, 0x7fffffff, 0x80000000, 0xffffffff, uint64(d.Uint32()))
	return high<<32 | low
}

func (d dice) action() (specs.LinuxSeccompAction, *uint) {
	action := one(d, specs.ActKill, specs.ActKillProcess, specs.ActKillThread, specs.ActTrap, specs.ActErrno, specs.ActErrno,
		specs.ActTrace, specs.ActAllow, specs.ActLog, specs.ActNotify)
	if action == specs.ActErrno || action == specs.ActTrace {
		errno := d.UintN(4096)
		return action, one(d, nil, &errno)
	}
	return action, nil
}

func (d dice) profile(most int, names []string) *specs.LinuxSeccomp {
	profile := &specs.LinuxSeccomp{ListenerPath: "/run/agent"}
	profile.DefaultAction, profile.DefaultErrnoRet = d.action()
	for _, arch := range []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32, specs.ArchAARCH64, specs.ArchARM, specs.ArchMIPS} {
		if d.IntN(2) == 0 {
			profile.Architectures = append(profile.Architectures, arch)
		}
	}
	for range d.IntN(most + 1) {
		entry := specs.LinuxSyscall{}
		entry.Action, entry.ErrnoRet = d.action()
		for range 1 + d.IntN(3) {
			entry.Names = append(entry.Names, one(d, names...))
		}
		for range one(d, 0, 0, 1, 1, 1, 2, 3, 4) {
			entry.Args = append(entry.Args, specs.LinuxSeccompArg{
				Index: d.UintN(6),
				Value: d.value(), ValueTwo: d.value(),
				Op: one(d, specs.OpEqualTo, specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpGreaterThan,
					specs.OpGreaterEqual, specs.OpMaskedEqual, specs.OpMaskedEqual),
			})
		}
		profile.Syscalls = append(profile.Syscalls, entry)
	}
	return profile
}

// event makes an event that is mostly close to a rule of the profile.
func (d dice) event(profile *specs.LinuxSeccomp) event {
	e := event{number: one(d, d.Uint32N(600), d.Uint32N(600)|x32, 0xf0000+d.Uint32N(8), d.Uint32()), arch: native()}
	numbers := one(d, numbers, numbers, numbers, numbersX32)
	switch d.IntN(20) {
	case 0:
		e.arch = one(d, auditI386, auditARM, unix.AUDIT_ARCH_S390X, 0, d.Uint32())
	case 1, 2, 3, 4, 5, 6:
		_, e.arch, numbers = compat()
	}
	for i := range e.args {
		e.args[i] = d.value()
	}
	if len(profile.Syscalls) == 0 || d.IntN(10) == 0 {
		return e
	}
	entry := one(d, profile.Syscalls...)
	if number, ok := numbers[one(d, entry.Names...)]; ok {
		e.number = one(d, number, number, number, number, number+1, number-1, number|x32, number|x32)
	}
	for _, arg := range entry.Args {
		e.args[arg.Index%6] = one(d, arg.Value, arg.Value, arg.ValueTwo, arg.Value+1, arg.Value-1, arg.Value^1<<32, arg.ValueTwo^1<<32,
			arg.Value&arg.ValueTwo, arg.ValueTwo|^arg.Value, d.value())
	}
	// The first argument of socketcall and ipc says which call is meant. ipc has a version in the high half.
	if multiplexer, ok := numbers[one(d, "socketcall", "ipc")]; ok && d.IntN(4) == 0 {
		e.number, e.args[0] = multiplexer, one[uint64](d, 0, 0, 3<<16)|one[uint64](d, 0, 1, 5, 17, 23, 24, 40)
	}
	return e
}
