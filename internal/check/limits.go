//go:build linux

package check

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// limits are the properties of a container's limits.
var limits = []Property{
	{
		Name:  inCgroups,
		Step:  6,
		Needs: []string{starts},
		Why:   "The kernel limits the processes of a cgroup together: in the cgroups of the host, nothing limits the command.",
		Where: "step06-cgroups/README.md#how-it-works",
		check: func(p *Program) error { return p.whileReady((*session).inCgroups) },
	},
	{
		Name:  memoryLimit,
		Step:  6,
		Needs: []string{inCgroups},
		Why:   "The kernel enforces the limit that is in the file of the cgroup, and no other.",
		Where: "step06-cgroups/README.md#how-it-works",
		check: func(p *Program) error {
			return p.limited("memory", "48m", "50331648", "memory.max", "memory.limit_in_bytes")
		},
	},
	{
		Name:  swapLimited,
		Step:  6,
		Needs: []string{memoryLimit},
		Why:   "A command over its limit would push its memory to the disk of the host, and slow down everything there.",
		Where: "step06-cgroups/README.md#now-yours",
		check: func(p *Program) error {
			return p.whileReady(func(s *session) error {
				dir, err := s.cgroup("memory")
				if err != nil {
					return err
				}
				// A kernel that does not count swap has neither of these files.
				if swap, err := limit(dir, "memory.swap.max"); err == nil {
					return want("the limit on swap (memory.swap.max)", inWords("0"), inWords(swap))
				}
				if both, err := limit(dir, "memory.memsw.limit_in_bytes"); err == nil {
					return want("the limit on memory and swap together (memory.memsw.limit_in_bytes)", inWords("50331648"), inWords(both))
				}
				return nil
			}, "--memory", "48m")
		},
	},
	{
		Name:  killed,
		Step:  6,
		Needs: []string{memoryLimit},
		Why:   "One container that takes all the memory brings down everything else on the host.",
		Where: "step06-cgroups/README.md#how-it-works",
		check: func(p *Program) error {
			hog := []string{"awk", `BEGIN { s = "x"; while (length(s) < 100000000) s = s s; print "survived" }`}
			r, err := p.call(call{command: hog})
			if err != nil {
				return err
			}
			if r.stderr != "" {
				// A program may give the reason, in one line.
				return complaint(r, 137)
			}
			return want("a command that takes 100 MB", result{"", "", 137}, r)
		},
	},
	{
		Name:  "a command that takes 16 MB of memory is left alone",
		Step:  1,
		Needs: []string{exit0},
		Why:   "Most commands need that much, so a limit below it kills commands that do nothing wrong.",
		Where: "step06-cgroups/README.md#how-it-works",
		check: func(p *Program) error {
			r, err := p.call(call{command: []string{"awk", `BEGIN { s = "x"; while (length(s) < 8000000) s = s s; print "survived" }`}})
			if err != nil {
				return err
			}
			return want("a command that takes 16 MB", result{"survived\n", "", 0}, r)
		},
	},
	{
		Name:  pidsLimit,
		Step:  6,
		Needs: []string{inCgroups},
		Why:   "The kernel enforces the limit that is in the file of the cgroup, and no other.",
		Where: "step06-cgroups/README.md#how-it-works",
		check: func(p *Program) error { return p.limited("pids", "17", "17", "pids.max") },
	},
	{
		Name:  "a command that starts more processes than the limit cannot",
		Step:  6,
		Needs: []string{pidsLimit},
		Why:   "A fork bomb in a container would take all the process IDs of the host.",
		Where: "step06-cgroups/README.md#how-it-works",
		check: func(p *Program) error {
			r, err := p.run("i=0; while [ $i -lt 200 ]; do sleep 1000 >/dev/null 2>&1 & i=$((i+1)); done; echo all")
			if err != nil {
				return err
			}
			if strings.Contains(r.stdout, "all") || r.status == 0 {
				return errors.New("the command has started 200 processes, with a limit of 64")
			}
			if r.status == 125 {
				return fmt.Errorf("the command did not start: %v", r)
			}
			return nil
		},
	},
	{
		Name:  cpuLimit,
		Step:  6,
		Needs: []string{inCgroups},
		Why:   "One busy container would slow down all the others.",
		Where: "step06-cgroups/README.md#how-it-works",
		Alone: true,
		check: func(p *Program) error {
			return p.during("echo ready; while :; do :; done", func(s *session) error {
				quota, period := s.quota()
				if quota*2 != period {
					return fmt.Errorf("with --cpus 0.5, the limit in the kernel is %s in each %d: half a processor is %d", microseconds(quota), period, period/2)
				}
				inside, err := s.container()
				if err != nil {
					return err
				}
				defer release(inside)
				share, err := cpuShare(inside[0].pid, time.Second)
				if err != nil {
					return err
				}
				// A busy host may give less time.
				if share > 0.6 {
					return fmt.Errorf("with --cpus 0.5, the command takes the time of %.2f processors", share)
				}
				return nil
			}, "--cpus", "0.5")
		},
	},
}

// limited returns an error unless the flag of a controller writes the value to one of the files of the command's cgroup.
func (p *Program) limited(controller, given, expected string, files ...string) error {
	return p.whileReady(func(s *session) error {
		dir, err := s.cgroup(controller)
		if err != nil {
			return err
		}
		seen, err := limit(dir, files...)
		if err != nil {
			return err
		}
		return want("with --"+controller+" "+given+", the limit in the kernel", inWords(expected), inWords(seen))
	}, "--"+controller, given)
}

// A phrase is a text that is shown without quotes.
type phrase string

// inWords explains a limit: "max", or on cgroup v1 a huge number, is no limit.
func inWords(limit string) phrase {
	n, err := strconv.ParseUint(limit, 10, 64)
	switch {
	case limit == "max" || err == nil && n > 1<<62:
		return phrase(limit + " (no limit)")
	case n >= 1<<20 && n%(1<<20) == 0:
		return phrase(fmt.Sprintf("%s bytes (%d MiB)", limit, n>>20))
	}
	return phrase(limit)
}

// quota returns the command's limit on CPU time, and the period that it is for, in microseconds. Without a limit, the quota is -1.
func (s *session) quota() (quota, period int) {
	dir, err := s.cgroup("cpu")
	if err != nil {
		return -1, 100_000
	}
	text, _ := limit(dir, "cpu.max", "cpu.cfs_quota_us")
	time, span, both := strings.Cut(text, " ")
	if !both {
		span, _ = limit(dir, "cpu.cfs_period_us")
	}
	if quota, err = strconv.Atoi(time); err != nil {
		quota = -1
	}
	if period, err = strconv.Atoi(span); err != nil {
		period = 100_000
	}
	return quota, period
}

// microseconds shows a limit on CPU time.
func microseconds(quota int) string {
	if quota < 0 {
		return "max (no limit)"
	}
	return fmt.Sprintf("%d microseconds", quota)
}

// cpuShare measures how much CPU time a process takes, in processors.
func cpuShare(pid int, span time.Duration) (float64, error) {
	before, err := cpuTime(pid)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	time.Sleep(span)
	after, err := cpuTime(pid)
	if err != nil {
		return 0, err
	}
	return (after - before).Seconds() / time.Since(start).Seconds(), nil
}

// cpuTime returns the CPU time of a process, in ticks of 10 ms. proc_pid_stat(5)
func cpuTime(pid int) (time.Duration, error) {
	const utime, stime = 14, 15
	fields := stat(pid)
	user, userErr := strconv.Atoi(fields[utime])
	system, systemErr := strconv.Atoi(fields[stime])
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(userErr, systemErr)
}
