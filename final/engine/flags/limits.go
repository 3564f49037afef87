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
	minCPUs, maxCPUs     = 0.01, 1e6
	minShares, maxShares = 2, 1 << 18
	cpuPeriod            = 100_000
)

// parseSize returns the bytes of 64m, 1.5g, 10KiB or 1024. Units are powers of 1024. Zero is refused.
func parseSize(text string) (int64, error) {
	bad := errors.New("must be a size above 0: a number of bytes, or a number followed by k, m, g or t, such as 64m")
	end := len(text) - len(strings.TrimLeft(text, "0123456789."))
	number, unit := text[:end], strings.ToLower(text[end:])
	shift := 0
	if unit != "" && unit != "b" {
		shift = 10 * (strings.IndexByte("kmgt", unit[0]) + 1)
		if shift == 0 || unit[1:] != "" && unit[1:] != "b" && unit[1:] != "ib" {
			return 0, bad
		}
	}
	whole, decimals, fractional := strings.Cut(number, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if errors.Is(err, strconv.ErrRange) || n >= math.MaxInt64>>shift {
		return 0, errors.New("too large: must be less than 8 EiB")
	}
	if err != nil || fractional && (shift == 0 || decimals == "") {
		return 0, bad
	}
	n <<= shift
	if fractional {
		part, err := strconv.ParseFloat("0."+decimals, 64)
		if err != nil {
			return 0, bad
		}
		n += int64(part * float64(int64(1)<<shift))
	}
	if n == 0 {
		return 0, bad
	}
	return n, nil
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

func parsePids(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || n > maxPids {
		return 0, fmt.Errorf("must be a number from 1 to %d", maxPids)
	}
	return n, nil
}

// parseCPUs takes decimals only: no exponent, NaN or infinity.
func parseCPUs(text string) (float64, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || strings.Trim(text, "0123456789.") != "" || n < minCPUs || n > maxCPUs {
		return 0, fmt.Errorf("must be a number of processors, at least %g, such as 1 or 0.5", minCPUs)
	}
	return n, nil
}

func parseShares(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n < minShares || n > maxShares {
		return 0, fmt.Errorf("must be a number from %d to %d", minShares, maxShares)
	}
	return n, nil
}

func parseOOMScoreAdj(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < -1000 || n > 1000 {
		return 0, errors.New("must be a number from -1000 to 1000")
	}
	return n, nil
}

// perUser are the limits on what the kernel counts for each user of the host, and not for each container: a container is root, or
// user 1000, like others on the host, and what it takes they lack. So it gets half of what the caller has, and no more than most.
// getrlimit(2)
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

// newRlimits returns the limits of the command: those that every container has, then those of --ulimit, of which the last of a type
// counts. A privileged container may raise its limits, and so has the caller's.
func newRlimits(o *Options, host *Host) []specs.POSIXRlimit {
	var limits []specs.POSIXRlimit
	for _, l := range perUser {
		if o.Privileged {
			break
		}
		number, _ := spec.Rlimit(l.kind)
		most := min(host.Rlimit(number)/2, l.most)
		limits = append(limits, specs.POSIXRlimit{Type: l.kind, Soft: most, Hard: most})
	}
	if !o.Privileged {
		// What has a real-time priority runs before all else, and --cpus does not bound it. sched(7)
		limits = append(limits, specs.POSIXRlimit{Type: "RLIMIT_RTPRIO"})
	}
	for _, limit := range o.Ulimits {
		limits = slices.DeleteFunc(limits, func(old specs.POSIXRlimit) bool { return old.Type == limit.Type })
		limits = append(limits, limit)
	}
	return limits
}

// parseUlimit reads NAME=SOFT[:HARD]. Without HARD both are the same; -1 and unlimited are no limit.
func parseUlimit(text string) (specs.POSIXRlimit, error) {
	name, values, found := strings.Cut(text, "=")
	limit, names := specs.POSIXRlimit{}, spec.RlimitNames()
	if slices.Contains(names, name) {
		limit.Type = "RLIMIT_" + strings.ToUpper(name)
	}
	if !found {
		return limit, errors.New("must be NAME=SOFT[:HARD], such as nofile=1024:4096")
	}
	if limit.Type == "" {
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
