//go:build linux

package main

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"container-workshop/final/namespace"
)

// slack is how much later than asked the kernel may wake the monitor thread of the Go runtime, in nanoseconds.
const slack = "1000000"

// brief reports whether this is the final of an ordinary user, who executes final again in a user namespace, or only reads files. So final
// does not prepare for work.
func brief() bool { return os.Geteuid() != 0 && !namespace.Nested() }

// takeTurns has goroutines take turns. They wait most of the time, for the kernel or for each other, and a system call that takes long still
// hands the turn on. With more Go processors, the runtime would keep memory for each of them, start and wake threads that look for work and
// find none, and ask once a second how much CPU time the cgroup of final allows.
func takeTurns() {
	if !brief() {
		runtime.GOMAXPROCS(1)
	}
}

// calmRuntime makes the monitor thread of the Go runtime wake up less often. This thread wants to look every 20 microseconds whether
// another thread is blocked in a system call for long. So it looks a hundred times while a container starts and ends, and each time costs
// a timer and two context switches: a twentieth of all CPU time. With more slack it looks ten times.
//
// The monitor thread is the first thread that the runtime starts, so the second of this process. A thread that it starts inherits the
// slack. Commands and hooks do not: they are children of the first thread. Without CAP_SYS_NICE the kernel refuses, and nothing changes.
// proc_pid_timerslack_ns(5); runtime/proc.go, sysmon
func calmRuntime() {
	if brief() {
		return
	}
	tasks, err := os.Open("/proc/self/task")
	if err != nil {
		return
	}
	defer tasks.Close()
	// The kernel lists threads in the order in which they were started.
	threads, _ := tasks.Readdirnames(-1)
	if len(threads) < 2 {
		return
	}
	if fd, err := unix.Open("/proc/"+threads[1]+"/timerslack_ns", unix.O_WRONLY|unix.O_CLOEXEC, 0); err == nil {
		_, _ = unix.Write(fd, []byte(slack))
		unix.Close(fd)
	}
}
