//go:build linux

package check

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// limits is what comes of cgroups.
var limits = []Property{
	{
		Name: "a command that takes more memory than the limit is killed, and the status is 137",
		Step: 6,
		Hint: "Write the limit to memory.max (version 2) or memory.limit_in_bytes (version 1) of a new cgroup, and \"0\" to its cgroup.procs in child.",
		check: func(p *Program) error {
			hog := []string{"awk", `BEGIN { s = "x"; while (length(s) < 200000000) s = s s; print "survived" }`}
			r, err := p.call(call{command: hog})
			if err != nil {
				return err
			}
			if r.stderr != "" {
				// A program may say why, in one line.
				return complaint(r, 137, "memory")
			}
			return want("output and status of a command that takes 200 MB", result{"", "", 137}, r)
		},
	},
	{
		Name: "a command that takes less memory than the limit is left alone",
		Step: 1,
		Hint: "Is the suffix of --memory read as k, m and g, powers of 1024?",
		check: func(p *Program) error {
			r, err := p.call(call{command: []string{"awk", `BEGIN { s = "x"; while (length(s) < 8000000) s = s s; print "survived" }`}})
			if err != nil {
				return err
			}
			return want("output and status of a command that takes 16 MB", result{"survived\n", "", 0}, r)
		},
	},
	{
		Name: "--memory is the limit in the kernel, and swap is no way around it",
		Step: 6,
		Hint: "Where there is swap accounting: memory.swap.max is 0 (version 2), memory.memsw.limit_in_bytes is the limit (version 1).",
		check: func(p *Program) error {
			return p.whileReady(func(s *session) error {
				dir, err := s.cgroup("memory")
				if err != nil {
					return err
				}
				memory, err := limit(dir, "memory.max", "memory.limit_in_bytes")
				if err != nil {
					return err
				}
				if err := want("memory limit", "50331648", memory); err != nil {
					return err
				}
				if swap, err := limit(dir, "memory.swap.max"); err == nil {
					return want("memory.swap.max", "0", swap)
				}
				if both, err := limit(dir, "memory.memsw.limit_in_bytes"); err == nil {
					return want("memory.memsw.limit_in_bytes", "50331648", both)
				}
				return nil
			}, "--memory", "48m")
		},
	},
	{
		Name: "a command that starts more processes than the limit cannot",
		Step: 6,
		Hint: "Write the limit to pids.max of the cgroup.",
		check: func(p *Program) error {
			r, err := p.run("i=0; while [ $i -lt 200 ]; do sleep 1000 >/dev/null 2>&1 & i=$((i+1)); done; echo all")
			if err != nil {
				return err
			}
			if strings.Contains(r.stdout, "all") || r.status == 0 {
				return errors.New("200 processes were started")
			}
			if r.status == 125 {
				return fmt.Errorf("the command did not run: %#v", r)
			}
			return nil
		},
	},
	{
		Name: "--pids is the limit in the kernel",
		Step: 6,
		Hint: "Write --pids to pids.max of the cgroup.",
		check: func(p *Program) error {
			return p.whileReady(func(s *session) error {
				dir, err := s.cgroup("pids")
				if err != nil {
					return err
				}
				pids, err := limit(dir, "pids.max")
				if err != nil {
					return err
				}
				return want("pids.max", "17", pids)
			}, "--pids", "17")
		},
	},
	{
		Name: "--cpus limits the CPU time, measured within 20%",
		Step: 6,
		Hint: "Write 100000 times --cpus to cpu.max (version 2) or cpu.cfs_quota_us (version 1): microseconds in each tenth of a second.",
		check: func(p *Program) error {
			return p.during("echo ready; while :; do :; done", func(s *session) error {
				inside, err := s.container()
				if err != nil {
					return err
				}
				defer release(inside)
				share, err := cpuShare(inside[0].pid, 2*time.Second)
				if err != nil {
					return err
				}
				if share < 0.4 || share > 0.6 {
					return fmt.Errorf("want 0.5 processors, got %.2f", share)
				}
				return nil
			}, "--cpus", "0.5")
		},
	},
	{
		Name: "the command is never outside its limits",
		Step: 6,
		Hint: "Enter the cgroup in child, before execve: what run does after it has started child comes too late.",
		check: func(p *Program) error {
			for range p.times(20) {
				s, err := p.start(call{command: []string{"/bin/sleep", "1000"}})
				if err != nil {
					return err
				}
				err = s.limitedAtOnce()
				s.close()
				if err != nil {
					return err
				}
			}
			return nil
		},
	},
	{
		Name: "the cgroups are gone when the container is",
		Step: 6,
		Hint: "Remove them in run after cmd.Wait, and try again while the kernel says EBUSY.",
		check: func(p *Program) error {
			defer sweep()
			return p.during(family, func(s *session) error {
				var dirs []string
				for _, controller := range controllers {
					dir, err := s.cgroup(controller)
					if err != nil {
						return err
					}
					dirs = append(dirs, dir)
				}
				unix.Kill(s.cmd.Process.Pid, unix.SIGTERM)
				if _, err := s.wait(); err != nil {
					return err
				}
				for _, dir := range dirs {
					if _, err := os.Stat(dir); err == nil {
						return fmt.Errorf("%s is still there", dir)
					}
				}
				return nil
			})
		},
	},
	{
		Name: "two containers at once have limits of their own, and the end of one leaves the other alone",
		Step: 6,
		Hint: "Name the cgroup after something that only this container has.",
		check: func(p *Program) error {
			return p.whileReady(func(first *session) error {
				var second string
				err := p.whileReady(func(s *session) (err error) {
					second, err = s.cgroup("pids")
					return err
				}, "--pids", "23")
				if err != nil {
					return err
				}
				dir, err := first.cgroup("pids")
				if err != nil {
					return err
				}
				if dir == second {
					return fmt.Errorf("both are in %s", dir)
				}
				pids, err := limit(dir, "pids.max")
				if err != nil {
					return err
				}
				return want("pids.max of the first", "29", pids)
			}, "--pids", "29")
		},
	},
	{
		Name: "a limit that makes no sense is refused in one line",
		Step: 6,
		Hint: "The kernel refuses garbage. Negative numbers, zero, max, NaN and infinity are for you: on cgroup v1 some mean no limit.",
		check: func(p *Program) error {
			for _, bad := range []string{
				"--memory=", "--memory=x", "--memory=64x", "--memory=-1", "--memory=0", "--memory=0m", "--memory=max", "--memory=k", "--memory=99999999999999999999g",
				"--pids=x", "--pids=-1", "--pids=0", "--pids=max", "--pids=1.5", "--pids=99999999",
				"--cpus=x", "--cpus=-1", "--cpus=0", "--cpus=nan", "--cpus=inf", "--cpus=max", "--cpus=0.001",
			} {
				flag, _, _ := strings.Cut(bad, "=")
				if err := p.refuses(call{flags: []string{bad}, command: []string{"/bin/true"}}, 125, strings.TrimPrefix(flag, "--")); err != nil {
					return err
				}
			}
			return nil
		},
	},
	{
		Name: "without a cgroup file system there is one line that says so, and the status is 125",
		Step: 6,
		Hint: "Compare the magic number of statfs(2) before you make a directory: on a plain tmpfs it would be one without effect.",
		check: func(p *Program) error {
			if err := unix.Mount("tmpfs", "/sys/fs/cgroup", "tmpfs", 0, ""); err != nil {
				return unclear(err)
			}
			return p.refuses(call{command: []string{"/bin/true"}}, 125, "cgroup", "mount")
		},
	},
}

// limitedAtOnce returns an error unless the command is in cgroups of its own when it is first seen.
func (s *session) limitedAtOnce() error {
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); {
		inside, err := s.container()
		if errors.Is(err, ErrUnclear) {
			return err
		}
		if err != nil {
			continue
		}
		defer release(inside)
		lines, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", inside[0].pid))
		if err != nil {
			return err
		}
		for _, controller := range controllers {
			if _, err := limiting(string(lines), controller); err != nil {
				return err
			}
		}
		return nil
	}
	return errors.New("run has started no command")
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
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	user, userErr := strconv.Atoi(fields[11])
	system, systemErr := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(userErr, systemErr)
}
