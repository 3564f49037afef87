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

	// moreByName has the indexes of the rows of more, sorted by name.
	moreByName      []systemCall
	inCalls, inMore finder
	// found is what numbers returns.
	found []int
}

// multiplexed marks the number of a call that goes through socketcall(2) or ipc(2). The kernel never sees such a number: its next
// 15 bits are the number of socketcall or ipc, and the last 16 bits are the first argument.
const multiplexed = 1 << 31

// architectures returns the architectures that the list of a profile opens. The native architecture is always open, and comes
// first.
func architectures(listed []specs.Arch) []architecture {
	native := architecture{audit: auditArch, calls: systemCalls[:], newest: newestSystemCall}
	if opensX32(listed) {
		native.more = x32Calls[:]
	}
	if !slices.Contains(listed, compatArch) {
		return []architecture{native.withNames()}
	}
	compat := architecture{audit: compatAudit, calls: compatCalls[:], newest: newestCompatCall, more: moreCompatCalls[:]}
	return []architecture{native.withNames(), compat.withNames()}
}

func opensX32(listed []specs.Arch) bool {
	return x32Bit != 0 && slices.Contains(listed, specs.ArchX32)
}

// numbers returns all numbers of a name, as indexes: numbers in calls stay as they are, and the rows of more come after newest. The
// result is valid until the next call.
func (a *architecture) numbers(name string) []int {
	a.found = a.found[:0]
	if i, found := a.inCalls.find(a.calls, name); found {
		a.found = append(a.found, int(a.calls[i].number))
	}
	if i, found := a.inMore.find(a.moreByName, name); found {
		a.found = append(a.found, int(a.moreByName[i].number))
	}
	return a.found
}

// withNames prepares numbers for the names in more. No name is there twice.
func (a architecture) withNames() architecture {
	a.moreByName = make([]systemCall, len(a.more))
	for i, call := range a.more {
		a.moreByName[i] = systemCall{call.name, uint32(a.newest + 1 + i)}
	}
	slices.SortFunc(a.moreByName, func(a, b systemCall) int { return strings.Compare(a.name, b.name) })
	return a
}

// A finder finds names in a table that is sorted by name. It is the number of the row behind the last name that it has found, or where
// that name would be: profiles list names in the order of the alphabet, so the next name is mostly near.
type finder int

func (f *finder) find(calls []systemCall, name string) (row int, found bool) {
	const near = 8
	row = int(*f)
	isBehind := row == 0 || calls[row-1].name < name
	for range near {
		if row == len(calls) || calls[row].name >= name {
			break
		}
		row++
	}
	if !isBehind || row < len(calls) && calls[row].name < name {
		row, _ = slices.BinarySearchFunc(calls, name, func(call systemCall, name string) int { return strings.Compare(call.name, name) })
	}
	found = row < len(calls) && calls[row].name == name
	*f = finder(row)
	if found {
		*f++
	}
	return row, found
}
