//go:build linux

package flags

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"container-workshop/final/spec"
)

// The kernel's own limits on limits.
const (
	minMemory = 4 << 10
	// PID_MAX_LIMIT. proc_sys_kernel(5)
	maxPids = 4 << 20
	// 10 ms in each second: the kernel takes a quota of 1 ms or more in a period of 100 ms.
	minCPUs, maxCPUs = 0.01, 1e6
	cpuPeriod        = 100_000
)

// maxLogFiles is how many files a log may have.
const maxLogFiles = 1000

func parsePids(text string) (int64, error) {
	return number[int64](1, maxPids, "from 1 to 4194304")(text)
}

func parseShares(text string) (uint64, error) {
	return number[uint64](2, 1<<18, "from 2 to 262144")(text)
}

func parseMemory(text string) (int64, error) {
	n, err := parseSize(text)
	if err == nil && n < minMemory {
		err = fmt.Errorf("must be at least %d bytes, one page of memory", minMemory)
	}
	return n, err
}

// parseLimit takes -1 for no limit.
func parseLimit(text string) (int64, error) {
	if text == "-1" {
		return -1, nil
	}
	return parseSize(text)
}

// parseCPUs returns the time that a number of processors has in each period. The number has no exponent, and is finite.
func parseCPUs(text string) (int64, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || strings.Trim(text, "0123456789.") != "" || n < minCPUs || n > maxCPUs {
		return 0, fmt.Errorf("must be a number of processors, at least %g, such as 1 or 0.5", minCPUs)
	}
	return int64(math.Round(n * cpuPeriod)), nil
}

// parseUlimit reads NAME=SOFT[:HARD]. Without HARD, both limits are the same. -1 and unlimited stand for no limit.
func parseUlimit(text string) (specs.POSIXRlimit, error) {
	name, values, found := strings.Cut(text, "=")
	limit, names := specs.POSIXRlimit{Type: "RLIMIT_" + strings.ToUpper(name)}, spec.RlimitNames()
	if !found {
		return limit, errors.New("must be NAME=SOFT[:HARD], such as nofile=1024:4096")
	}
	if !slices.Contains(names, name) {
		return limit, fmt.Errorf("unknown limit %q: must be one of %s", name, strings.Join(names, " "))
	}
	soft, hard, found := strings.Cut(values, ":")
	if !found {
		hard = soft
	}
	var err1, err2 error
	limit.Soft, err1 = parseRlimit(soft)
	limit.Hard, err2 = parseRlimit(hard)
	if err1 != nil || err2 != nil {
		return limit, errors.New("must be numbers from 0 up, or -1 for no limit")
	}
	if limit.Soft > limit.Hard {
		return limit, errors.New("the soft limit must not be above the hard limit")
	}
	return limit, nil
}

func parseRlimit(text string) (uint64, error) {
	if text == "-1" || text == "unlimited" {
		return math.MaxUint64, nil
	}
	return strconv.ParseUint(text, 10, 64)
}

// perUser are limits on what the kernel counts for each user of the host, and not for each container. A container has the user ID of other
// processes of the host, and takes from them what it uses. So a container gets at most half of what the caller has. getrlimit(2)
var perUser = [...]struct {
	kind string
	most uint64
}{
	// Signals that wait, and timers.
	{"RLIMIT_SIGPENDING", 4096},
	// Bytes in POSIX message queues. The kernel's own limit is 800 KiB.
	{"RLIMIT_MSGQUEUE", 400 << 10},
	// Bytes that stay in memory. The kernel's own limit is 8 MiB.
	{"RLIMIT_MEMLOCK", 4 << 20},
}

// makeRlimits returns the limits that every container has, and then the limits of --ulimit. The last limit of a type counts. A privileged
// container may raise its limits, so it gets the caller's.
func makeRlimits(o *Options, host *Host) []specs.POSIXRlimit {
	var limits []specs.POSIXRlimit
	if !o.Privileged {
		for _, l := range perUser {
			number, _ := spec.Rlimit(l.kind)
			most := min(host.Rlimit(number)/2, l.most)
			limits = append(limits, specs.POSIXRlimit{Type: l.kind, Soft: most, Hard: most})
		}
		// A process with a real-time priority runs before all others, and --cpus does not bound it. sched(7)
		limits = append(limits, specs.POSIXRlimit{Type: "RLIMIT_RTPRIO"})
	}
	for _, limit := range o.Process.Rlimits {
		limits = slices.DeleteFunc(limits, func(old specs.POSIXRlimit) bool { return old.Type == limit.Type })
		limits = append(limits, limit)
	}
	return limits
}

// completeResources fills in the limit on swap, and the rules for devices. cgroups(7)
func completeResources(o *Options, rules []specs.LinuxDeviceCgroup) error {
	memory := o.Linux.Resources.Memory
	if memory.Swap == nil {
		memory.Swap = new(*memory.Limit)
	}
	if swap := *memory.Swap; swap >= 0 && swap < *memory.Limit {
		return fmt.Errorf("--memory-swap %d: must be at least --memory, %d, because it counts memory and swap together", swap, *memory.Limit)
	}
	if memory.Reservation != nil && *memory.Reservation > *memory.Limit {
		return fmt.Errorf("--memory-reservation %d: must be at most --memory, %d", *memory.Reservation, *memory.Limit)
	}
	o.Linux.Resources.Devices = rules
	return nil
}
