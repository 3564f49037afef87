//go:build linux

package check

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// beyondLimits has the exercises of step 6.
var beyondLimits = []Property{
	{
		Name:  "--cpuset LIST, like 0 or 0-1, is the processors that the command can run on, and one that there is not is refused",
		Step:  6,
		Needs: []string{inCgroups},
		Why:   "A command that stays on some processors leaves the others to the rest of the host. sched_setaffinity(2), cpuset(7)",
		Where: "step06-cgroups/README.md#check-your-work",
		check: func(p *Program) error {
			lists, err := processorLists()
			if err != nil {
				return err
			}
			for _, list := range lists {
				err := p.whileReady(func(s *session) error {
					inside, err := s.container()
					if err != nil {
						return err
					}
					defer release(inside)
					seen, err := statusField(inside[0].pid, "Cpus_allowed_list")
					if err != nil {
						return err
					}
					return want("Cpus_allowed_list", list, seen)
				}, "--cpuset", list)
				if err != nil {
					return err
				}
			}
			for _, bad := range []string{"x", "-1", "1-0", lists[0] + "-", "100000", lists[0] + ",100000"} {
				if err := p.refuses(call{flags: []string{"--cpuset=" + bad}, command: []string{"/bin/true"}}, 125, "cpuset"); err != nil {
					return err
				}
			}
			return nil
		},
	},
	{
		Name:  "a line about memory on standard error, at the end, if the kernel has killed a process of the container for it, and no line otherwise",
		Step:  6,
		Needs: []string{killed},
		Why:   "Status 137 alone does not say why: people look for the mistake in the wrong place. cgroups(7)",
		Where: "step06-cgroups/README.md#check-your-work",
		check: func(p *Program) error {
			hog := `awk 'BEGIN { s = "x"; while (length(s) < 200000000) s = s s }'`
			for script, status := range map[string]int{"exec " + hog: 137, "exec 2>/dev/null; " + hog + "; exit 3": 3} {
				r, err := p.run(script)
				if err != nil {
					return err
				}
				if err := complaint(r, status, "memory"); err != nil {
					return err
				}
			}
			r, err := p.run("exec 2>/dev/null; sh -c 'kill -KILL $$'; exit 137")
			if err != nil {
				return err
			}
			return want("a process that was killed for another reason", result{"", "", 137}, r)
		},
	},
}

// processorLists returns lists of the processors that we may run on, as the kernel writes them: lists of one processor, and a list of
// two if there are two in a row.
func processorLists() ([]string, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, unclear(err)
	}
	var ones, twos []string
	for cpu := range len(set) * 64 {
		if !set.IsSet(cpu) {
			continue
		}
		ones = append(ones, fmt.Sprint(cpu))
		if set.IsSet(cpu + 1) {
			twos = append(twos, fmt.Sprintf("%d-%d", cpu, cpu+1))
		}
	}
	return slices.Concat(ones[:min(len(ones), 2)], twos[:min(len(twos), 1)]), nil
}
