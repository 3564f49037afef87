//go:build linux

package seccomp

import (
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// actions are those of the specification. Where most is not 0, it is the highest errno that goes with the action.
var actions = [...]struct {
	name  specs.LinuxSeccompAction
	value uint32
	most  uint
}{
	{specs.ActAllow, unix.SECCOMP_RET_ALLOW, 0},
	// The kernel makes any higher number this one.
	{specs.ActErrno, unix.SECCOMP_RET_ERRNO, 4095},
	{specs.ActKill, unix.SECCOMP_RET_KILL_THREAD, 0},
	{specs.ActKillProcess, unix.SECCOMP_RET_KILL_PROCESS, 0},
	{specs.ActKillThread, unix.SECCOMP_RET_KILL_THREAD, 0},
	{specs.ActLog, unix.SECCOMP_RET_LOG, 0},
	{specs.ActNotify, unix.SECCOMP_RET_USER_NOTIF, 0},
	{specs.ActTrace, unix.SECCOMP_RET_TRACE, unix.SECCOMP_RET_DATA},
	{specs.ActTrap, unix.SECCOMP_RET_TRAP, 0},
}

var operators = [...]struct {
	name specs.LinuxSeccompOperator
	op   operator
}{
	{specs.OpEqualTo, equal},
	{specs.OpGreaterEqual, greaterEqual},
	{specs.OpGreaterThan, greater},
	{specs.OpLessEqual, lessEqual},
	{specs.OpLessThan, less},
	{specs.OpMaskedEqual, maskedEqual},
	{specs.OpNotEqual, notEqual},
}

type filterFlag struct {
	name  specs.LinuxSeccompFlag
	value uint
}

var flags = [...]filterFlag{
	{specs.LinuxSeccompFlagLog, unix.SECCOMP_FILTER_FLAG_LOG},
	{specs.LinuxSeccompFlagSpecAllow, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW},
	{"SECCOMP_FILTER_FLAG_TSYNC", unix.SECCOMP_FILTER_FLAG_TSYNC},
	{specs.LinuxSeccompFlagWaitKillableRecv, unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
}

// Actions are the names that an action of a profile can have. OCI runtime specification, features-linux.md, section Seccomp.
func Actions() []string {
	names := make([]string, len(actions))
	for i, action := range actions {
		names[i] = string(action.name)
	}
	return names
}

// Operators are the names that the op of a condition can have.
func Operators() []string {
	names := make([]string, len(operators))
	for i, operator := range operators {
		names[i] = string(operator.name)
	}
	return names
}

// Archs are the architectures that Compile knows the system calls of. It ignores others.
func Archs() []string {
	archs := []string{string(nativeArch), string(compatArch)}
	if x32Bit != 0 {
		archs = append(archs, string(specs.ArchX32))
	}
	return archs
}

// KnownFlags are the names that Flags accepts.
func KnownFlags() []string {
	names := make([]string, len(flags))
	for i, flag := range flags {
		names[i] = string(flag.name)
	}
	return names
}

// SupportedFlags are those of KnownFlags that the running kernel has. It needs no rights, and loads nothing: the kernel looks
// at the flags first, and refuses them with EINVAL, and then at the program, which is missing, with EFAULT. seccomp(2)
func SupportedFlags() []string {
	names := []string{}
	for _, flag := range flags {
		value := flag.value
		if value == unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV {
			// It is about the agent, so it goes only with this one.
			value |= unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
		}
		_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, uintptr(value), 0)
		if errno == unix.EFAULT {
			names = append(names, string(flag.name))
		}
	}
	return names
}
