//go:build linux

package seccomp_test

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// event is struct seccomp_data without the instruction pointer. seccomp(2)
type event struct {
	number uint32
	arch   uint32
	args   [6]uint64
}

// packet has each 32-bit word at the offset where a little-endian kernel has it. The bytes of a word are in network order, as the
// virtual machine of package bpf reads them.
func (e event) packet() []byte {
	packet := make([]byte, 64)
	binary.BigEndian.PutUint32(packet[0:], e.number)
	binary.BigEndian.PutUint32(packet[4:], e.arch)
	for i, arg := range e.args {
		binary.BigEndian.PutUint32(packet[16+8*i:], uint32(arg))
		binary.BigEndian.PutUint32(packet[20+8*i:], uint32(arg>>32))
	}
	return packet
}

// machine runs a filter without the kernel.
func machine(t testing.TB, filter []unix.SockFilter) func(event) uint32 {
	t.Helper()
	raw := make([]bpf.RawInstruction, len(filter))
	for i, f := range filter {
		raw[i] = bpf.RawInstruction{Op: f.Code, Jt: f.Jt, Jf: f.Jf, K: f.K}
	}
	program, all := bpf.Disassemble(raw)
	require.True(t, all, "an instruction that is none")
	vm, err := bpf.NewVM(program)
	require.NoError(t, err)
	return func(e event) uint32 {
		value, err := vm.Run(e.packet())
		require.NoError(t, err)
		return uint32(value)
	}
}

// expected is what the filter of a profile should return for an event. It follows the documentation of Compile in the plainest
// way, and reads the whole profile for each event.
func expected(profile *specs.LinuxSeccomp, e event) uint32 {
	open := func(arch specs.Arch) bool { return slices.Contains(profile.Architectures, arch) }
	compatArch, compatAudit, compatNumbers := compat()
	r := reference{profile, numbers, e.number, false}
	switch {
	case e.arch == compatAudit && open(compatArch):
		r.numbers = compatNumbers
		r.special = compatArch == specs.ArchARM && e.number > 0xf0000 && e.number <= 0xf0005
	case e.arch != native():
		return unix.SECCOMP_RET_KILL_PROCESS
	case e.arch == unix.AUDIT_ARCH_X86_64 && open(specs.ArchX32):
		r.number = e.number &^ x32
		r.special = r.number >= 512 && r.number <= 547
	case e.arch == unix.AUDIT_ARCH_X86_64 && e.number&x32 != 0:
		return unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	}
	name := r.name()
	conditional, unconditional := r.rules(name)
	for _, entry := range conditional {
		if matches(entry.Args, e) {
			return returned(entry.Action, entry.ErrnoRet)
		}
	}
	inner := through[name][uint32(e.args[0])&0xffff]
	if conditions, without := r.rules(inner); without != nil && len(conditions) == 0 {
		return returned(without.Action, without.ErrnoRet)
	} else if len(conditions) > 0 && unconditional == nil {
		return strictest(profile, conditions, without)
	}
	if unconditional != nil {
		return returned(unconditional.Action, unconditional.ErrnoRet)
	}
	if r.tooNew() {
		return unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	}
	return returned(profile.DefaultAction, profile.DefaultErrnoRet)
}

// reference is a profile for a system call of one architecture. A special number is far from the other numbers.
type reference struct {
	profile *specs.LinuxSeccomp
	numbers map[string]uint32
	number  uint32
	special bool
}

func (r reference) name() string {
	for name, number := range numbersX32 {
		if r.special && number == r.number {
			return name
		}
	}
	for name, number := range r.numbers {
		if number == r.number {
			return name
		}
	}
	return ""
}

// rules are all rules with conditions for a name, and the first rule without conditions.
func (r reference) rules(name string) (conditional []*specs.LinuxSyscall, unconditional *specs.LinuxSyscall) {
	for i := range r.profile.Syscalls {
		entry := &r.profile.Syscalls[i]
		switch {
		case name == "" || !slices.Contains(entry.Names, name):
		case len(entry.Args) > 0:
			conditional = append(conditional, entry)
		case unconditional == nil:
			unconditional = entry
		}
	}
	return conditional, unconditional
}

func (r reference) tooNew() bool {
	newest, anyNamed := uint32(0), false
	for _, entry := range r.profile.Syscalls {
		for _, name := range entry.Names {
			if number, ok := r.numbers[name]; ok && number < 0xf0000 {
				newest, anyNamed = max(newest, number), true
			}
		}
	}
	if !anyNamed {
		newest = unix.SYS_RSEQ_SLICE_YIELD
	}
	return r.number > newest && !r.special && r.profile.DefaultAction == specs.ActErrno
}

// strictest is the action that comes first in seccomp(2), among the actions that a call can have.
func strictest(profile *specs.LinuxSeccomp, conditional []*specs.LinuxSyscall, unconditional *specs.LinuxSyscall) uint32 {
	order := []uint32{unix.SECCOMP_RET_KILL_PROCESS, unix.SECCOMP_RET_KILL_THREAD, unix.SECCOMP_RET_TRAP, unix.SECCOMP_RET_ERRNO,
		unix.SECCOMP_RET_USER_NOTIF, unix.SECCOMP_RET_TRACE, unix.SECCOMP_RET_LOG, unix.SECCOMP_RET_ALLOW}
	rank := func(action uint32) int { return slices.Index(order, action&unix.SECCOMP_RET_ACTION_FULL) }
	action := returned(profile.DefaultAction, profile.DefaultErrnoRet)
	if unconditional != nil {
		action = returned(unconditional.Action, unconditional.ErrnoRet)
	}
	for _, entry := range conditional {
		if other := returned(entry.Action, entry.ErrnoRet); rank(other) < rank(action) {
			action = other
		}
	}
	return action
}

func matches(args []specs.LinuxSeccompArg, e event) bool {
	count, holds := map[uint]int{}, 0
	alternatives := false
	for _, arg := range args {
		count[arg.Index]++
		alternatives = alternatives || count[arg.Index] > 1
		value := e.args[arg.Index]
		switch arg.Op {
		case specs.OpEqualTo:
			holds += truth(value == arg.Value)
		case specs.OpNotEqual:
			holds += truth(value != arg.Value)
		case specs.OpLessThan:
			holds += truth(value < arg.Value)
		case specs.OpLessEqual:
			holds += truth(value <= arg.Value)
		case specs.OpGreaterThan:
			holds += truth(value > arg.Value)
		case specs.OpGreaterEqual:
			holds += truth(value >= arg.Value)
		case specs.OpMaskedEqual:
			holds += truth((value^arg.ValueTwo)&arg.Value == 0)
		}
	}
	return holds == len(args) || alternatives && holds > 0
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

func returned(action specs.LinuxSeccompAction, errno *uint) uint32 {
	data := uint32(unix.EPERM)
	if errno != nil {
		data = uint32(*errno)
	}
	return map[specs.LinuxSeccompAction]uint32{
		specs.ActKill: 0, specs.ActKillThread: 0, specs.ActKillProcess: 0x80000000, specs.ActTrap: 0x30000,
		specs.ActErrno: 0x50000 | data, specs.ActTrace: 0x7ff00000 | data, specs.ActNotify: 0x7fc00000,
		specs.ActLog: 0x7ffc0000, specs.ActAllow: 0x7fff0000,
	}[action]
}
