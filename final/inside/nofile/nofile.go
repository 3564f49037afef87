//go:build linux

// Package nofile knows the limit on open files that this process was started with. Package os of Go raises it as it is
// initialised, for Go's own good, and the command is not to inherit that.
//
// Go initialises packages in the order of their import paths, as far as what they import allows: this one imports nothing but
// syscall, and container-workshop comes before os. Go specification, program initialization
package nofile

import "syscall"

// Inherited is the limit on open files that the process was started with. Zero if it could not be read.
var Inherited = get()

func get() (limit syscall.Rlimit) {
	_ = syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	return limit
}
