package seccomp_test

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
)

// The number of set_tls is far above the newest call. A rule for set_tls must not make newer calls look old.
func TestARMHasCallsOfItsOwn(t *testing.T) {
	run := machine(t, compile(t, &specs.LinuxSeccomp{
		DefaultAction: specs.ActErrno, Architectures: []specs.Arch{specs.ArchARM},
		Syscalls: []specs.LinuxSyscall{{Names: []string{"read", "set_tls"}, Action: specs.ActAllow}},
	}))
	for number, expected := range map[uint32]uint32{3: allow, 0xf0005: allow, 0xf0002: eperm, 4: enosys, 0xf0000: enosys, 0xf0006: enosys} {
		assert.Equal(t, expected, run(event{number: number, arch: auditARM}), "%#x", number)
	}
}
