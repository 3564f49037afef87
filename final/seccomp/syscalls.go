//go:build linux

package seccomp

import (
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

//go:generate go run gen.go

// systemCall is a line of a table. The tables are arrays of constants, so that the linker lays them out and no program pays
// for them when it starts. syscalls(2)
type systemCall struct {
	name   string
	number uint32
}

// architecture is a set of system calls that programs of this machine can make.
type architecture struct {
	// audit is what the kernel calls it in struct seccomp_data. seccomp(2)
	audit uint32
	// calls is sorted by name, and newest the highest number in it.
	calls  []systemCall
	newest int
	// more is sorted by number: numbers above newest that mean a name too, be it one of calls or not.
	more []systemCall
}

// multiplexed marks a number that the kernel never sees: the next 15 bits are the number of the system call that the named
// one goes through, and the last 16 are the first argument of that.
const multiplexed = 1 << 31

// architectures returns those that a list in a profile opens. The native one is always open, and is the first.
func architectures(listed []specs.Arch) []architecture {
	native := architecture{auditArch, systemCalls[:], newestSystemCall, nil}
	if opensX32(listed) {
		native.more = x32Calls[:]
	}
	if !slices.Contains(listed, compatArch) {
		return []architecture{native}
	}
	return []architecture{native, {compatAudit, compatCalls[:], newestCompatCall, moreCompatCalls[:]}}
}

func opensX32(listed []specs.Arch) bool {
	return x32Bit != 0 && slices.Contains(listed, specs.ArchX32)
}

// numbers returns all numbers of a name, as indexes: those of calls as they are, and behind them the places in more.
func (a *architecture) numbers(name string) []int {
	var numbers []int
	i, found := slices.BinarySearchFunc(a.calls, name, func(call systemCall, name string) int {
		return strings.Compare(call.name, name)
	})
	if found {
		numbers = append(numbers, int(a.calls[i].number))
	}
	for i := range a.more {
		if a.more[i].name == name {
			numbers = append(numbers, a.newest+1+i)
		}
	}
	return numbers
}
