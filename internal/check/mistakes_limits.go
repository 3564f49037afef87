//go:build linux

package check

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// version returns the version of cgroups on this host: 1 or 2.
var version = sync.OnceValue(func() int {
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		return 2
	}
	return 1
})

// otherFile matches what the kernel says about a file of a limit that it does not have, and otherVersion about a file of each version.
var (
	otherFile    = regexp.MustCompile(`/(memory\.[a-z._]+|cpu\.[a-z_]+): (?:no such file|permission denied)`)
	otherVersion = map[int]*regexp.Regexp{
		1: regexp.MustCompile(`^(memory\.limit_in_bytes|memory\.memsw\.limit_in_bytes|cpu\.cfs_quota_us)$`),
		2: regexp.MustCompile(`^(memory\.max|memory\.swap\.max|cpu\.max)$`),
	}
)

// wrongLimits are mistakes about the files of the cgroups.
var wrongLimits = []mistake{
	{6, []string{starts, inCgroups}, func(e *evidence) string {
		made, root := e.first("mkdir", "/sys/fs/cgroup/"), e.first("chroot")
		// After chroot, the path leads into the root file system.
		if made < 0 || root >= 0 && root < made {
			return ""
		}
		switch top := filepath.Dir(strings.Trim(e.calls[made].Args[0], `"`)); {
		case version() == 1 && top == "/sys/fs/cgroup":
			return "You make the cgroup in /sys/fs/cgroup. This machine has cgroup version 1: make a cgroup in the tree of each controller, such as /sys/fs/cgroup/memory."
		case version() == 2 && top != "/sys/fs/cgroup" && e.calls[made].Err != 0:
			return fmt.Sprintf("You make the cgroup in %s. This machine has cgroup version 2, with one tree: /sys/fs/cgroup.", top)
		}
		return ""
	}},
	{6, []string{starts}, func(e *evidence) string {
		other := 3 - version()
		file := otherFile.FindStringSubmatch(e.seen)
		if file == nil || !otherVersion[other].MatchString(file[1]) {
			return ""
		}
		return fmt.Sprintf("%s is a file of cgroup version %d. This machine has version %d.", file[1], other, version())
	}},
	{6, []string{starts, swapLimited}, func(e *evidence) string {
		const file = "memory.memsw.limit_in_bytes"
		both, memory := e.first("write", file), e.first("write", "memory.limit_in_bytes")
		if both < 0 || e.calls[both].Err == 0 || memory >= 0 && memory < both {
			return ""
		}
		return "The kernel refuses the limit on memory and swap together (" + file + "): write the limit on memory first."
	}},
	{6, []string{memoryLimit}, unwritten("memory limit", "memory.limit_in_bytes", "memory.max")},
	{6, []string{pidsLimit}, unwritten("limit on its processes", "pids.max", "pids.max")},
	{6, []string{cpuLimit}, unwritten("limit on CPU time", "cpu.cfs_quota_us", "cpu.max")},
	{6, []string{cpuLimit}, func(e *evidence) string {
		i := e.first("write", limitFile("cpu.cfs_quota_us", "cpu.max"))
		if i < 0 || len(e.calls[i].Args) < 2 {
			return ""
		}
		value := strings.Trim(e.calls[i].Args[1], `"`)
		if strings.HasPrefix(value, "100000") && !strings.HasPrefix(value, "1000000") {
			return ""
		}
		return fmt.Sprintf("For --cpus 1 you write %q. The kernel counts microseconds in each tenth of a second, so one processor is 100000.", value)
	}},
}

// limitFile returns the name of a limit's file in the version of this host.
func limitFile(v1, v2 string) string {
	if version() == 1 {
		return v1
	}
	return v2
}

// unwritten names the mistake of a program that never writes a limit.
func unwritten(limit, v1, v2 string) func(*evidence) string {
	return func(e *evidence) string {
		file := limitFile(v1, v2)
		if e.never("write", "/"+file) {
			return fmt.Sprintf("Nothing writes %s: the container has no %s.", file, limit)
		}
		return ""
	}
}
