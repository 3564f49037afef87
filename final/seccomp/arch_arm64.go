//go:build linux

package seccomp

import (
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

const (
	nativeArch = specs.ArchAARCH64
	auditArch  = unix.AUDIT_ARCH_AARCH64
	// There is no second set of system calls under AUDIT_ARCH_AARCH64.
	x32Bit = 0
)
