//go:build linux

package seccomp

import (
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

//go:generate go run gen.go

// systemCall is a row of a table. The linker lays out tables of constants, so no start of final takes time for them. syscalls(2)
type systemCall struct {
	name   string
	number uint32
}

// architecture is a set of system calls that programs of this machine can make.
type architecture struct {
	// audit is the number of the architecture in struct seccomp_data. seccomp(2)
	audit uint32
	// calls is sorted by name.
	calls []systemCall
	// newest is the highest number in calls.
	newest int
	// more is sorted by number. It has numbers above newest, some of them for names that calls has too.
	more []systemCall
}

// multiplexed marks the number of a call that goes through socketcall(2) or ipc(2). The kernel never sees such a number: its next
// 15 bits are the number of socketcall or ipc, and the last 16 bits are the first argument.
const multiplexed = 1 << 31

// architectures returns the architectures that the list of a profile opens. The native architecture is always open, and comes
// first.
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

// numbers returns all numbers of a name, as indexes: numbers in calls stay as they are, and the rows of more come after newest.
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
