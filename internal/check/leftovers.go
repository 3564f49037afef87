//go:build linux

package check

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// leftovers is what many containers leave on the host.
var leftovers = []Property{
	{
		Name:  "many containers, in a row and at once, leave no mount or process behind",
		Step:  3,
		Needs: []string{dies, diesWithRun},
		Why:   "What one container leaves, a thousand containers leave a thousand times.",
		Where: "step03-pid/README.md#walking-through",
		alone: true,
		check: func(p *Program) error {
			mounts, err := mountTable()
			if err != nil {
				return unclear(err)
			}
			for range p.times(200) {
				if err := p.leaveNothing(1); err != nil {
					return err
				}
			}
			return errors.Join(p.leaveNothing(p.times(50)), sameMounts(mounts))
		},
	},
}

// noneLeft returns an error if there are cgroups that were not there before, and have no processes. Those of other containers
// on this host have some, or go by themselves.
func noneLeft(before []string) error {
	left := ""
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		left = ""
		for _, dir := range cgroupsOnHost() {
			procs, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
			if err == nil && len(procs) == 0 && !slices.Contains(before, dir) {
				left = dir
			}
		}
		if left == "" {
			return nil
		}
	}
	return fmt.Errorf("%s is still there", left)
}

// leaveNothing runs containers at once, and returns an error if anything of one of them is there afterwards.
func (p *Program) leaveNothing(atOnce int) error {
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
			return err
		}
		sessions = append(sessions, s)
	}
	for _, s := range sessions {
		r, err := s.wait()
		if err != nil {
			return err
		}
		if !strings.HasSuffix(r.stdout, "done\n") || r.status != 0 || r.stderr != "" {
			return fmt.Errorf("want done, got %#v", r)
		}
		if left := Marked(s.mark); len(left) > 0 {
			return fmt.Errorf("%d processes are still there", len(left))
		}
	}
	return nil
}
