//go:build linux

package seccomp_test

import (
	"runtime"
	"testing"

	docker "github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/seccomp"
)

const (
	kill = uint32(unix.SECCOMP_RET_KILL_PROCESS)
	trap = uint32(unix.SECCOMP_RET_TRAP)
)

func TestOtherArchitecturesAreClosed(t *testing.T) {
	byDefault, err := seccomp.Default(nil)
	require.NoError(t, err)
	others := []specs.Arch{specs.ArchX86_64, specs.ArchAARCH64, specs.ArchMIPS, specs.ArchS390X}
	if runtime.GOARCH == "amd64" {
		others = append(others, specs.ArchARM)
	} else {
		others = append(others, specs.ArchX86, specs.ArchX32)
	}
	for _, profile := range []*specs.LinuxSeccomp{
		{DefaultAction: specs.ActAllow},
		{DefaultAction: specs.ActAllow, Architectures: others},
		byDefault,
	} {
		run := machine(t, compile(t, profile))
		for _, arch := range []uint32{auditI386, auditARM, unix.AUDIT_ARCH_RISCV64} {
			assert.Equal(t, kill, run(event{number: 1, arch: arch}))
		}
		if native() == unix.AUDIT_ARCH_X86_64 {
			assert.Equal(t, enosys, run(event{number: x32 | numbers["read"], arch: native()}))
			assert.Equal(t, enosys, run(event{number: x32 | numbersX32["ioctl"], arch: native()}))
		}
	}
}

// The native architecture is open even if the list has only others.
func TestListedArchitectures(t *testing.T) {
	compatArch, compatAudit, compatNumbers := compat()
	profile := &specs.LinuxSeccomp{
		DefaultAction: specs.ActErrno, Architectures: []specs.Arch{compatArch},
		Syscalls: []specs.LinuxSyscall{
			{Names: []string{"getppid", "_llseek", "clone3"}, Action: specs.ActAllow},
			{Names: []string{"ioctl"}, Action: specs.ActTrap, Args: []specs.LinuxSeccompArg{{Index: 1, Op: specs.OpEqualTo, Value: 0xffff5412}}},
		},
	}
	run := machine(t, compile(t, profile))
	for _, test := range []struct {
		name     string
		event    event
		expected uint32
	}{
		{"native", event{number: numbers["getppid"], arch: native()}, allow},
		{"compat", event{number: compatNumbers["getppid"], arch: compatAudit}, allow},
		{"only compat has it", event{number: compatNumbers["_llseek"], arch: compatAudit}, allow},
		{"its number means another call", event{number: compatNumbers["_llseek"], arch: native()}, eperm},
		{"the native number", event{number: numbers["getppid"], arch: compatAudit}, eperm},
		{"condition", event{compatNumbers["ioctl"], compatAudit, [6]uint64{1: 0xffff5412}}, trap},
		{"condition that does not hold", event{compatNumbers["ioctl"], compatAudit, [6]uint64{1: 0x5412}}, eperm},
		{"newer than the profile", event{number: compatNumbers["mseal"], arch: compatAudit}, enosys},
		{"no number at all", event{number: 1 << 31, arch: compatAudit}, enosys},
		{"a third architecture", event{number: 3, arch: unix.AUDIT_ARCH_S390X}, kill},
	} {
		assert.Equal(t, test.expected, run(test.event), test.name)
	}
}

func TestNewerCallsAreCountedForEachArchitecture(t *testing.T) {
	compatArch, compatAudit, _ := compat()
	run := machine(t, compile(t, &specs.LinuxSeccomp{
		DefaultAction: specs.ActErrno, Architectures: []specs.Arch{compatArch},
		Syscalls: []specs.LinuxSyscall{{Names: []string{"_llseek", "clock_gettime64", "read"}, Action: specs.ActAllow}},
	}))
	const clockGettime64, clockSettime64 = 403, 404
	assert.Equal(t, allow, run(event{number: clockGettime64, arch: compatAudit}))
	assert.Equal(t, eperm, run(event{number: clockGettime64 - 1, arch: compatAudit}))
	assert.Equal(t, enosys, run(event{number: clockSettime64, arch: compatAudit}))
	assert.Equal(t, enosys, run(event{number: numbers["read"] + 1, arch: native()}))
}

// Docker's profile lists all architectures of the machine.
func TestDockersProfileForAllArchitectures(t *testing.T) {
	profile, err := docker.GetDefaultProfile(&specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{}}})
	require.NoError(t, err)
	compatArch, compatAudit, compatNumbers := compat()
	require.Contains(t, profile.Architectures, compatArch)
	filter := compile(t, profile)
	t.Logf("%d instructions for %v", len(filter), profile.Architectures)
	assert.Less(t, len(filter), 320, "the kernel takes 4096, and runs this at each system call")
	run := machine(t, filter)
	for call, expected := range map[string]uint32{
		"read": allow, "_llseek": allow, "mseal": allow, "mount": eperm, "keyctl": eperm, "clone3": enosys, "rseq_slice_yield": enosys,
		"socketcall": allow, "ipc": allow, "set_tls": allow, "io_uring_setup": eperm,
	} {
		number, ok := compatNumbers[call]
		if !ok {
			continue
		}
		assert.Equal(t, expected, run(event{number, compatAudit, [6]uint64{1}}), call)
	}
	socket := event{number: compatNumbers["socket"], arch: compatAudit}
	for family, expected := range map[uint64]uint32{unix.AF_UNIX: allow, unix.AF_ALG: eperm, unix.AF_VSOCK: eperm} {
		socket.args[0] = family
		assert.Equal(t, expected, run(socket), "family %d", family)
	}
	if runtime.GOARCH == "amd64" {
		assert.Equal(t, allow, run(event{number: x32 | numbersX32["ioctl"], arch: native()}))
		assert.Equal(t, eperm, run(event{number: x32 | numbers["mount"], arch: native()}))
	}
}
