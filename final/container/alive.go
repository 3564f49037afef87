//go:build linux

package container

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// alive reports whether process 1 is there, is the one that was started, and has not ended.
func (c *Container) alive() bool {
	started, state := startTime(c.Pid)
	return c.Pid > 0 && started != "" && started == c.Started && state != "Z" && state != "X"
}

// startTime returns when a process was started, in ticks, and its state. A process whose first thread has ended is no zombie yet if it
// has other threads: then the state is R. proc_pid_stat(5)
func startTime(pid int) (started, state string) {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	// The name, in parentheses, can hold anything.
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

// StartTime returns when a process was started, in ticks, which tells it from any other with its number.
func StartTime(pid int) string {
	started, _ := startTime(pid)
	return started
}
