//go:build linux

package seccomp_test

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const (
	auditI386 = 0x40000003
	auditARM  = 0x40000028
	x32       = 1 << 30
)

// native is the architecture of this machine, as the filter sees it.
func native() uint32 {
	if runtime.GOARCH == "arm64" {
		return unix.AUDIT_ARCH_AARCH64
	}
	return unix.AUDIT_ARCH_X86_64
}

// numbers are the calls that the tests use, with numbers that do not come from our table.
var numbers = map[string]uint32{
	"read": unix.SYS_READ, "write": unix.SYS_WRITE, "ioctl": unix.SYS_IOCTL, "socket": unix.SYS_SOCKET,
	"clone": unix.SYS_CLONE, "clone3": unix.SYS_CLONE3, "keyctl": unix.SYS_KEYCTL, "openat": unix.SYS_OPENAT,
	"personality": unix.SYS_PERSONALITY, "mseal": unix.SYS_MSEAL, "getpid": unix.SYS_GETPID, "bpf": unix.SYS_BPF,
	"getppid": unix.SYS_GETPPID, "getuid": unix.SYS_GETUID, "geteuid": unix.SYS_GETEUID, "getgid": unix.SYS_GETGID,
	"getegid": unix.SYS_GETEGID, "unshare": unix.SYS_UNSHARE, "setns": unix.SYS_SETNS, "mount": unix.SYS_MOUNT,
	"rseq_slice_yield": unix.SYS_RSEQ_SLICE_YIELD, "io_uring_setup": unix.SYS_IO_URING_SETUP, "kill": unix.SYS_KILL,
	"faccessat2": unix.SYS_FACCESSAT2, "umount2": unix.SYS_UMOUNT2, "reboot": unix.SYS_REBOOT, "futex": unix.SYS_FUTEX,
}

// names are the keys of numbers, and two that no architecture has.
func names() []string {
	return []string{"read", "write", "ioctl", "socket", "clone", "clone3", "keyctl", "openat", "personality", "mseal", "getpid",
		"bpf", "getppid", "getuid", "geteuid", "getgid", "getegid", "unshare", "setns", "mount", "rseq_slice_yield",
		"io_uring_setup", "kill", "faccessat2", "umount2", "reboot", "futex", "no_such_call", "zzz"}
}

// event is struct seccomp_data without the instruction pointer. seccomp(2)
type event struct {
	number uint32
	arch   uint32
	args   [6]uint64
}

// packet holds each 32-bit word where the kernel has it on a little-endian machine. The virtual machine reads words in network
// order, so that is the order inside of them.
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

// machine runs a filter outside of the kernel.
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

// expected reads the profile anew for each event: what the documentation of Compile says, in the plainest way.
func expected(profile *specs.LinuxSeccomp, e event) uint32 {
	if e.arch != native() {
		return unix.SECCOMP_RET_KILL_PROCESS
	}
	if e.arch == unix.AUDIT_ARCH_X86_64 && e.number&x32 != 0 {
		return unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	}
	newest, anyNamed := uint32(0), false
	var plain *specs.LinuxSyscall
	for i := range profile.Syscalls {
		entry := &profile.Syscalls[i]
		for _, name := range entry.Names {
			number, ok := numbers[name]
			if !ok {
				continue
			}
			newest, anyNamed = max(newest, number), true
			if number != e.number {
				continue
			}
			if len(entry.Args) > 0 && matches(entry.Args, e) {
				return returned(entry.Action, entry.ErrnoRet)
			}
			if len(entry.Args) == 0 && plain == nil {
				plain = entry
			}
		}
	}
	if plain != nil {
		return returned(plain.Action, plain.ErrnoRet)
	}
	if !anyNamed {
		newest = unix.SYS_RSEQ_SLICE_YIELD
	}
	if e.number > newest && profile.DefaultAction == specs.ActErrno {
		return unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	}
	return returned(profile.DefaultAction, profile.DefaultErrnoRet)
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

// dice makes profiles and events. The values are few, so that comparisons come out both ways.
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

// event is mostly near to what the profile looks at.
func (d dice) event(profile *specs.LinuxSeccomp) event {
	e := event{number: one(d, d.Uint32N(600), d.Uint32N(600)|x32, d.Uint32()), arch: native()}
	if d.IntN(20) == 0 {
		e.arch = one(d, auditI386, auditARM, unix.AUDIT_ARCH_S390X, 0, d.Uint32())
	}
	for i := range e.args {
		e.args[i] = d.value()
	}
	if len(profile.Syscalls) == 0 || d.IntN(10) == 0 {
		return e
	}
	entry := one(d, profile.Syscalls...)
	if number, ok := numbers[one(d, entry.Names...)]; ok {
		e.number = one(d, number, number, number, number, number+1, number-1)
	}
	for _, arg := range entry.Args {
		e.args[arg.Index%6] = one(d, arg.Value, arg.Value, arg.ValueTwo, arg.Value+1, arg.Value-1, arg.Value^1<<32, arg.ValueTwo^1<<32,
			arg.Value&arg.ValueTwo, arg.ValueTwo|^arg.Value, d.value())
	}
	return e
}
