//go:build linux

package seccomp

import (
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// row is a row of a table: a word of the specification, and what the word means to the kernel or to us.
type row[W ~string, M any] struct {
	word    W
	meaning M
}

// find returns the meaning of a word.
func find[W ~string, M any](table []row[W, M], word W) (meaning M, known bool) {
	for _, row := range table {
		if row.word == word {
			return row.meaning, true
		}
	}
	return meaning, false
}

// words returns the words of a table.
func words[W ~string, M any](table []row[W, M]) []string {
	list := make([]string, len(table))
	for i, row := range table {
		list[i] = string(row.word)
	}
	return list
}

// action is what a filter returns for an action of the specification.
type action struct {
	returned uint32
	// most is the highest errno that goes with the action. 0 means that the action takes no errno.
	most uint
}

var actions = []row[specs.LinuxSeccompAction, action]{
	{specs.ActAllow, action{unix.SECCOMP_RET_ALLOW, 0}},
	// The kernel replaces any higher number by 4095.
	{specs.ActErrno, action{unix.SECCOMP_RET_ERRNO, 4095}},
	{specs.ActKill, action{unix.SECCOMP_RET_KILL_THREAD, 0}},
	{specs.ActKillProcess, action{unix.SECCOMP_RET_KILL_PROCESS, 0}},
	{specs.ActKillThread, action{unix.SECCOMP_RET_KILL_THREAD, 0}},
	{specs.ActLog, action{unix.SECCOMP_RET_LOG, 0}},
	{specs.ActNotify, action{unix.SECCOMP_RET_USER_NOTIF, 0}},
	{specs.ActTrace, action{unix.SECCOMP_RET_TRACE, unix.SECCOMP_RET_DATA}},
	{specs.ActTrap, action{unix.SECCOMP_RET_TRAP, 0}},
}

var operators = []row[specs.LinuxSeccompOperator, operator]{
	{specs.OpEqualTo, equal},
	{specs.OpGreaterEqual, greaterEqual},
	{specs.OpGreaterThan, greater},
	{specs.OpLessEqual, lessEqual},
	{specs.OpLessThan, less},
	{specs.OpMaskedEqual, maskedEqual},
	{specs.OpNotEqual, notEqual},
}

var flags = []row[specs.LinuxSeccompFlag, uint]{
	{specs.LinuxSeccompFlagLog, unix.SECCOMP_FILTER_FLAG_LOG},
	{specs.LinuxSeccompFlagSpecAllow, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW},
	{"SECCOMP_FILTER_FLAG_TSYNC", unix.SECCOMP_FILTER_FLAG_TSYNC},
	{specs.LinuxSeccompFlagWaitKillableRecv, unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
}

// Actions are the words for an action of a profile. OCI runtime specification, features-linux.md, section Seccomp.
func Actions() []string { return words(actions) }

// Operators are the words for the operator of a condition.
func Operators() []string { return words(operators) }

// KnownFlags are the words that Flags accepts.
func KnownFlags() []string { return words(flags) }

// Archs are the architectures whose system calls Compile knows. It ignores all others.
func Archs() []string {
	archs := []string{string(nativeArch), string(compatArch)}
	if x32Bit != 0 {
		archs = append(archs, string(specs.ArchX32))
	}
	return archs
}

// SupportedFlags are the KnownFlags of the running kernel. The question needs no rights and loads no filter: the kernel checks
// the flags before it reads the program. It refuses an unknown flag with EINVAL, and the missing program with EFAULT. seccomp(2)
func SupportedFlags() []string {
	supported := []string{}
	for _, flag := range flags {
		value := flag.meaning
		if value == unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV {
			// The kernel takes this flag only together with the flag for an agent.
			value |= unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
		}
		_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, uintptr(value), 0)
		if errno == unix.EFAULT {
			supported = append(supported, string(flag.word))
		}
	}
	return supported
}
