//go:build linux

package check

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cgroups are the properties of a container's cgroups, from its start to its end.
var cgroups = []Property{
	{
		Name:  neverOutside,
		Step:  6,
		Needs: []string{inCgroups},
		Why:   "Before the command is in the cgroup, nothing counts what it uses, and its children could stay outside for good.",
		Where: "step06-cgroups/README.md#now-yours",
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
		Name:  cgroupsGone,
		Step:  6,
		Needs: []string{inCgroups},
		Why:   "Cgroups that stay behind pile up, and each of them costs the kernel memory.",
		Where: "step06-cgroups/README.md#now-yours",
		Alone: true,
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
		Name:  cgroupsPileUp,
		Step:  6,
		Needs: []string{cgroupsGone},
		Why:   "The kernel needs a moment after the last process, and a program that does not try again leaves some cgroups.",
		Where: "step06-cgroups/README.md#now-yours",
		Alone: true,
		check: func(p *Program) error {
			before := cgroupsOnHost()
			err := p.whileReady(func(s *session) error {
				_, err := s.cgroup("pids")
				return err
			})
			if err != nil {
				return err
			}
			var all []int
			for n := range p.times(50) {
				// Try containers one by one, and several at once.
				runs, err := p.leaveNothing(1 + n%3)
				if err != nil {
					return err
				}
				all = append(all, runs...)
			}
			return noneLeft(before, all)
		},
	},
	{
		Name:  "two containers at once have limits of their own, and the end of one leaves the other alone",
		Step:  6,
		Needs: []string{pidsLimit},
		Why:   "Two containers in one cgroup would share one limit, and the end of one would break the other.",
		Where: "step06-cgroups/README.md#now-yours",
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
				return want("the limit on processes (pids.max) of the first container", "29", pids)
			}, "--pids", "29")
		},
	},
	{
		Name:  "a limit that makes no sense is refused in one line",
		Step:  6,
		Needs: []string{inCgroups},
		Why:   "On cgroup v1 some numbers that make no sense mean no limit at all.",
		Where: "step06-cgroups/README.md#now-yours",
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
		Name:  "without a cgroup file system there is one line that says so, and the status is 125",
		Step:  6,
		Needs: []string{inCgroups},
		Why:   "Without a cgroup file system, the files would be written to an ordinary directory, and limit nothing.",
		Where: "step06-cgroups/README.md#now-yours",
		check: func(p *Program) error {
			if err := unix.Mount("tmpfs", "/sys/fs/cgroup", "tmpfs", 0, ""); err != nil {
				return unclear(err)
			}
			return p.refuses(call{command: []string{"/bin/true"}}, 125, "cgroup")
		},
	},
}

// limitedAtOnce returns an error unless the command is in its own cgroups when we first see the command.
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
