//go:build linux

package terminal

import (
	"os/signal"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The package os/signal wakes two threads for each signal that a program asks for. For the sixty signals of a container that takes longer
// than to make its namespaces. So a handler of our own, in catch_*.s, notes in memory which signals have arrived.
var (
	// arrived has a 1 for each number of a signal that has arrived.
	arrived [lastSignal + 1]atomic.Uint32
	// anything is 1 if there is a new 1 in arrived. futex(2)
	anything atomic.Uint32
	// catcher is the PID of this process.
	//lint:ignore U1000 the handler reads it, in assembly
	catcher int32
	// goHandler is the handler of the Go runtime for a mistake of this program.
	//lint:ignore U1000 the handler reads it, in assembly
	goHandler uintptr
	// handlers are the addresses of the handler, of the handler for signals that can be about a mistake of this program, and of what
	// the kernel calls after both.
	handlers [3]uintptr
)

// lastSignal is the last real-time signal. signal(7)
const lastSignal = 64

// sigaction is what the kernel has under this name. rt_sigaction(2)
type sigaction struct {
	handler, flags, restorer uintptr
	mask                     uint64
}

// catch has the kernel call our handler for a signal.
func catch(sig unix.Signal) {
	const onStack, restart, siginfo, restorer = 0x08000000, 0x10000000, 4, 0x04000000
	action := sigaction{handler: handlers[0], flags: onStack | restart | siginfo, mask: ^uint64(0)}
	if handlers[2] != 0 {
		action.flags, action.restorer = action.flags|restorer, handlers[2]
	}
	var before sigaction
	switch sig {
	case unix.SIGILL, unix.SIGTRAP, unix.SIGABRT, unix.SIGBUS, unix.SIGFPE, unix.SIGSEGV, unix.SIGSTKFLT, unix.SIGSYS:
		set(sig, nil, &before)
		goHandler, action.handler = before.handler, handlers[1]
	}
	set(sig, &action, nil)
}

// set cannot fail for a signal that exists, but for SIGKILL and SIGSTOP.
func set(sig unix.Signal, action, before *sigaction) {
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(action)), uintptr(unsafe.Pointer(before)), 8, 0, 0)
}

// await waits until a signal arrives, and calls got for each that has.
func await(got func(unix.Signal)) {
	const waitPrivate = 128
	for anything.Swap(0) == 0 {
		_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&anything)), waitPrivate, 0, 0, 0, 0)
	}
	for number := range arrived {
		if arrived[number].Swap(0) != 0 {
			got(unix.Signal(number))
		}
	}
}

// caughtSignals returns the signals to catch. Signals that this process ignores, as under nohup, stay ignored, and the command inherits
// that. SIGCHLD, SIGPIPE and SIGURG are about this process itself. A Go program as process 1 cannot pass on SIGPROF, 32, 33 and 34.
func caughtSignals() []unix.Signal {
	var all []unix.Signal
	for sig := unix.Signal(1); sig <= lastSignal; sig++ {
		switch sig {
		case unix.SIGKILL, unix.SIGSTOP, unix.SIGCHLD, unix.SIGPIPE, unix.SIGURG, unix.SIGPROF, 32, 33, 34:
			continue
		}
		if !signal.Ignored(sig) {
			all = append(all, sig)
		}
	}
	return all
}
