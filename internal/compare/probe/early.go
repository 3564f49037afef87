//go:build linux

package main

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// Go's runtime installs signal handlers and raises the limit of open files before main. So the program begins at entry, which notes
// both in these variables and jumps to Go's own beginning.
var (
	early     uint64
	actions   [64][4]uint64
	blocked   uint64
	openFiles unix.Rlimit
)

// entry is never called from Go: it is an address for the linker.
func entry()

var _ = entry

func init() {
	// Attributes of a thread, such as the parent-death signal and the scheduler, are those of the first thread.
	runtime.LockOSThread()
	if early == 0 {
		panic("build the probe with -ldflags=-E=main.entry")
	}
}

// signals returns what execve has left of the dispositions and the mask of signals. signal(7)
func signals() any {
	const ignore = 1
	all := section{"blocked": fmt.Sprintf("%#x", blocked)}
	for i, action := range actions {
		if action[0] == ignore {
			all[fmt.Sprintf("%d %s", i+1, unix.SignalName(unix.Signal(i+1)))] = "ignored"
		} else if action[0] != 0 {
			all[fmt.Sprintf("%d %s", i+1, unix.SignalName(unix.Signal(i+1)))] = fmt.Sprintf("%#x", action[0])
		}
	}
	return all
}
