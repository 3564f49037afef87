//go:build linux

package check

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// leftovers are the properties of what many containers leave on the host.
var leftovers = []Property{
	{
		Name:  "many containers, in a row and at once, leave no mount or process behind",
		Step:  3,
		Needs: []string{dies, diesWithRun},
		Why:   "What one container leaves, a thousand containers leave a thousand times.",
		Where: "step03-pid/README.md#now-yours",
		Alone: true,
		check: func(p *Program) error {
			mounts, err := mountTable()
			if err != nil {
				return unclear(err)
			}
			for range p.times(200) {
				if _, err := p.leaveNothing(1); err != nil {
					return err
				}
			}
			if _, err := p.leaveNothing(p.times(50)); err != nil {
				return err
			}
			return sameMounts(mounts)
		},
	},
}

// noneLeft returns an error if there are new cgroups without processes. The cgroups of other containers on this host have processes,
// or are named after a run that is not ours.
func noneLeft(before []string, runs []int) error {
	left := ""
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		left = ""
		for _, dir := range cgroupsOnHost() {
			procs, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
			if err == nil && len(procs) == 0 && !slices.Contains(before, dir) && !ofOthers(dir, runs) {
				left = dir
			}
		}
		if left == "" {
			return nil
		}
	}
	return fmt.Errorf("%s is still there", left)
}

// ofOthers reports whether a cgroup has a step's name, but is named after none of these runs.
func ofOthers(dir string, runs []int) bool {
	name := ofAStep.FindStringSubmatch(filepath.Base(dir))
	return name != nil && !slices.ContainsFunc(runs, func(pid int) bool { return name[1] == strconv.Itoa(pid) })
}

// leaveNothing runs containers at the same time, and returns an error if any of their processes is left afterwards. It returns the
// PIDs of run.
func (p *Program) leaveNothing(atOnce int) (runs []int, err error) {
	script := "sleep 1000 >/dev/null 2>&1 & echo done"
	var sessions []*session
	defer func() {
		for _, s := range sessions {
			s.close()
		}
	}()
	for range atOnce {
		s, err := p.start(call{command: []string{"/bin/sh", "-c", script}})
		if err != nil {
			return nil, err
		}
		sessions, runs = append(sessions, s), append(runs, s.cmd.Process.Pid)
	}
	for _, s := range sessions {
		r, err := s.wait()
		if err != nil {
			return nil, err
		}
		if !strings.HasSuffix(r.stdout, "done\n") || r.status != 0 || r.stderr != "" {
			return nil, fmt.Errorf("the command should print done and end with the status 0, but %v", r)
		}
		if left := Marked(s.mark); len(left) > 0 {
			return nil, fmt.Errorf("%d processes are still there", len(left))
		}
	}
	return runs, nil
}
