//go:build linux

package seccomp

import (
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

const (
	nativeArch = specs.ArchX86_64
	auditArch  = unix.AUDIT_ARCH_X86_64
	// x32 system calls come under AUDIT_ARCH_X86_64 too, with this bit in their number. seccomp(2)
	x32Bit = 1 << 30
)
