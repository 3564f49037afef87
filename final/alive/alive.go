//go:build linux

// Package alive runs in every process that is final. It writes a note about a process, and later finds out whether this process still runs. The
// PID is not enough, because the kernel gives the number to another process later. So a note also has the time at which the process started.
package alive

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Note is what to write down about a process.
func Note(pid int) []byte {
	started, _ := Started(pid)
	return fmt.Appendf(nil, "%d %s", pid, started)
}

// Noted returns the PID of a note if that process still runs, and 0 if it has ended.
func Noted(note []byte) (pid int) {
	var noted string
	if n, _ := fmt.Sscan(string(note), &pid, &noted); n != 2 || !Is(pid, noted) {
		return 0
	}
	return pid
}

// Is reports whether the process that has started at a time still runs. A zombie does not run.
func Is(pid int, noted string) bool {
	started, state := Started(pid)
	return pid > 0 && started != "" && started == noted && state != "Z" && state != "X"
}

// Started returns the time at which a process started, in ticks, and its state. A process whose first thread has ended is not a zombie as
// long as it has other threads: its state is R here. proc_pid_stat(5)
func Started(pid int) (started, state string) {
	stat := readStat(pid)
	// The name of the program, in parentheses, can contain anything.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 20 {
		return "", ""
	}
	started, state = fields[19], fields[0]
	if threads, _ := strconv.Atoi(fields[17]); state == "Z" && threads > 1 {
		state = "R"
	}
	return started, state
}

// readStat reads /proc/PID/stat, or nothing if the process is gone. One read returns the whole line. os.ReadFile would ask epoll(7) about
// the file, and final reads the line some ten times for a container.
func readStat(pid int) []byte {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/stat", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	line := make([]byte, 4096)
	n, err := unix.Read(fd, line)
	if err != nil {
		return nil
	}
	return line[:n]
}
