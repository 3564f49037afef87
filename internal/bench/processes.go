//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// processes returns all others in the PID namespace but process 1, the oldest first.
func processes() []int {
	entries, _ := os.ReadDir("/proc")
	var pids []int
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil && pid != 1 && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// commands returns the processes that are the command of a container.
func commands() []int {
	return slices.DeleteFunc(processes(), func(pid int) bool {
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		return string(name) != "sleep\n"
	})
}

// newCommand waits for the command of a container that is not known yet.
func newCommand(known []int) (int, error) {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		for _, pid := range commands() {
			if !slices.Contains(known, pid) {
				return pid, nil
			}
		}
	}
	return 0, errors.New("the command of the container did not start")
}

// helpers returns the memory of all processes but the commands of containers, in MiB: their share of what they share, too (proc(5),
// Pss). Two that have one address space count once.
func helpers() (float64, error) {
	var seen []int
	sum := 0
	present := settled()
	command := commands()
	for _, pid := range present {
		if slices.Contains(command, pid) || slices.ContainsFunc(seen, func(other int) bool { return sameMemory(pid, other) }) {
			continue
		}
		seen = append(seen, pid)
		rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			return 0, err
		}
		for line := range strings.Lines(string(rollup)) {
			if value, found := strings.CutPrefix(line, "Pss:"); found {
				kb, err := strconv.Atoi(strings.Fields(value)[0])
				if err != nil {
					return 0, err
				}
				sum += kb
			}
		}
	}
	return float64(sum) / 1024, nil
}

// settled waits until no process comes or goes any more.
func settled() []int {
	last := processes()
	for same := 0; same < 3; {
		time.Sleep(20 * time.Millisecond)
		now := processes()
		if slices.Equal(now, last) {
			same++
		} else {
			same = 0
		}
		last = now
	}
	return last
}

// sameMemory asks the kernel whether two processes share their address space: kcmp(2), KCMP_VM
func sameMemory(pid, other int) bool {
	const kcmpVM = 1
	result, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(pid), uintptr(other), kcmpVM, 0, 0, 0)
	return errno == 0 && result == 0
}
