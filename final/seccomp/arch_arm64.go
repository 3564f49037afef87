//go:build linux

package seccomp

import (
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

const (
	nativeArch = specs.ArchAARCH64
	auditArch  = unix.AUDIT_ARCH_AARCH64
	// Programs of 32 bits make system calls of ARM, in the newer form (EABI).
	compatArch  = specs.ArchARM
	compatAudit = unix.AUDIT_ARCH_ARM
	// AUDIT_ARCH_AARCH64 has no second set of system calls.
	x32Bit = 0
)

var x32Calls [0]systemCall

// moreCompatCalls are the calls that only ARM has, with numbers far above all others. Each program calls set_tls when it starts.
var moreCompatCalls = [...]systemCall{
	{"breakpoint", 0xf0001}, {"cacheflush", 0xf0002}, {"usr26", 0xf0003}, {"usr32", 0xf0004}, {"set_tls", 0xf0005},
}
