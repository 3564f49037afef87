//go:build linux

// Package nofile undoes what Go does to the limit on open files. When a Go program starts, package syscall raises the soft
// limit to the hard limit. The packages os/exec and syscall restore the limit for each program that they start. Packages join
// and inside start programs by raw system calls, and restore the limit themselves.
package nofile

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Restore gives this process the limit on open files that it was started with, and returns this limit. Only package syscall
// remembers the limit, and syscall.Exec restores it just before execve. So Restore asks for the program with the empty path,
// which never exists: syscall.Exec restores the limit, and execve fails. getrlimit(2)
func Restore() (limit unix.Rlimit, err error) {
	_ = syscall.Exec("", nil, nil)
	err = unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	return limit, os.NewSyscallError("getrlimit", err)
}
