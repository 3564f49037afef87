//go:build linux

package seccomp

import (
	"slices"
	"strings"
)

//go:generate go run gen.go

// systemCall is a line of the table of this architecture. The table is an array of constants, so that the linker lays it
// out and no program pays for it when it starts. syscalls(2)
type systemCall struct {
	name   string
	number uint32
}

// systemCallNumber finds the number of a system call by its name on this architecture.
func systemCallNumber(name string) (uint32, bool) {
	i, found := slices.BinarySearchFunc(systemCalls[:], name, func(call systemCall, name string) int {
		return strings.Compare(call.name, name)
	})
	if !found {
		return 0, false
	}
	return systemCalls[i].number, true
}
