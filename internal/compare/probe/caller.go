//go:build linux

package main

import (
	"os"
	"os/signal"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// callerChanges are attributes of a process that its children inherit.
var callerChanges = map[string]func() error{
	"nohup": func() error { signal.Ignore(unix.SIGHUP, unix.SIGPIPE, unix.SIGCHLD); return nil },
	"blocked": func() error {
		return unix.PthreadSigmask(unix.SIG_BLOCK, &unix.Sigset_t{Val: [16]uint64{1<<9 | 1<<14}}, nil)
	},
	"nice":     func() error { return unix.Setpriority(unix.PRIO_PROCESS, 0, 5) },
	"affinity": func() error { cpus := unix.CPUSet{1}; return unix.SchedSetaffinity(0, &cpus) },
	"files":    func() error { openFiles.Cur = min(openFiles.Cur, 512); return nil },
	"core":     func() error { return unix.Prlimit(0, unix.RLIMIT_CORE, &unix.Rlimit{}, nil) },
	"stack": func() error {
		return unix.Prlimit(0, unix.RLIMIT_STACK, &unix.Rlimit{Cur: 4 << 20, Max: 64 << 20}, nil)
	},
	"killable": func() error { return os.WriteFile("/proc/self/oom_score_adj", []byte("50"), 0) },
	"idle":     func() error { return number(unix.SYS_IOPRIO_SET, 1, 0, 3<<13) },
	"batch": func() error {
		return unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_BATCH}, 0)
	},
	"keyring": func() error { _, err := unix.KeyctlJoinSessionKeyring("of the caller"); return err },
	"steady":  func() error { return number(unix.SYS_PERSONALITY, 0x0040000) },
	"slack":   func() error { return unix.Prctl(unix.PR_SET_TIMERSLACK, 12345, 0, 0, 0) },
	"no-thp":  func() error { return unix.Prctl(unix.PR_SET_THP_DISABLE, 1, 0, 0, 0) },
	"dying":   func() error { return unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0) },
	"reaper":  func() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) },
	"dump":    func() error { return os.WriteFile("/proc/self/coredump_filter", []byte("0x11"), 0) },
	"no-new":  func() error { return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) },
	"closed":  func() error { return unix.Close(0) },
}

func number(call uintptr, args ...uintptr) error {
	var all [3]uintptr
	copy(all[:], args)
	if _, _, errno := unix.Syscall(call, all[0], all[1], all[2]); errno != 0 {
		return errno
	}
	return nil
}

// becomeCaller changes some attributes and becomes a program. The words for the changes are separated by commas.
func becomeCaller(words string, command []string) {
	for word := range strings.SplitSeq(words, ",") {
		change, known := callerChanges[word]
		if !known {
			fail("unknown change of the caller: " + word)
		}
		if err := change(); err != nil {
			fail(word + ": " + err.Error())
		}
	}
	// Go would restore the limit that it has found, and the dispositions of signals.
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, &openFiles, nil); err != nil {
		fail(err.Error())
	}
	program, err := unix.BytePtrFromString(command[0])
	if err != nil {
		fail(err.Error())
	}
	argv, err := syscall.SlicePtrFromStrings(command)
	if err != nil {
		fail(err.Error())
	}
	env, err := syscall.SlicePtrFromStrings(os.Environ())
	if err != nil {
		fail(err.Error())
	}
	_, _, errno := unix.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(program)), uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&env[0])))
	fail(errno.Error())
}

func fail(text string) {
	os.Stderr.WriteString("probe: " + text + "\n")
	os.Exit(98)
}
