//go:build linux

// Package nofile knows the limit on open files that this process was started with. Package syscall of Go raises it as it is
// initialised, for Go's own good, and the command is not to inherit that.
//
// Go initialises packages in the order of their import paths, as far as what they import allows: this one imports nothing, and
// container-workshop comes before syscall. Go specification, program initialization
package nofile

import "unsafe"

// A Limit is a soft and a hard one. getrlimit(2)
type Limit struct{ Cur, Max uint64 }

// Inherited is the limit on open files that the process was started with. Zero if it could not be read.
var Inherited = get()

func get() (limit Limit) {
	const nofile = 7
	rawSyscall6(prlimit64, 0, nofile, 0, uintptr(unsafe.Pointer(&limit)), 0, 0)
	return limit
}

// rawSyscall6 is syscall.RawSyscall6, which needs nothing of its package to be initialised.
func rawSyscall6(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2, errno uintptr)
