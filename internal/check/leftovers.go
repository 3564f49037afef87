//go:build linux

package check

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
)

// leftovers is what many containers leave on the host.
var leftovers = []Property{
	{
		Name: "200 containers in a row and 50 at once leave no mount, cgroup or process behind",
		Step: 3,
		Hint: "Whatever run makes on the host, it removes with defer, and main calls os.Exit only after run has returned.",
		check: func(p *Program) error {
			mark := fmt.Sprintf("CHECK_MANY=%d", os.Getpid())
			var cgroups sync.Map
			one := func() error {
				script := "sleep 1000 >/dev/null 2>&1 & cat /proc/self/cgroup 2>/dev/null; echo done"
				r, err := p.call(call{command: []string{"/bin/sh", "-c", script}, env: []string{mark}})
				if err != nil {
					return err
				}
				lines, done := strings.CutSuffix(r.stdout, "done\n")
				if !done || r.status != 0 || r.stderr != "" {
					return fmt.Errorf("want done, got %#v", r)
				}
				for _, controller := range controllers {
					if dir, err := limiting(lines, controller); err == nil {
						cgroups.Store(dir, true)
					}
				}
				return nil
			}
			mounts, err := mountTable()
			if err != nil {
				return unclear(err)
			}
			for range 200 {
				if err := one(); err != nil {
					return err
				}
			}
			if err := atOnce(50, one); err != nil {
				return err
			}
			if left := marked(mark); len(left) > 0 {
				return fmt.Errorf("%d processes are still there", len(left))
			}
			for dir := range cgroups.Range {
				if _, err := os.Stat(dir.(string)); err == nil {
					return fmt.Errorf("%s is still there", dir)
				}
			}
			return sameMounts(mounts)
		},
	},
}

// atOnce does something several times at the same time, on other threads: in the namespaces of the host.
func atOnce(times int, do func() error) error {
	errs := make([]error, times)
	var all sync.WaitGroup
	for i := range times {
		all.Go(func() { errs[i] = do() })
	}
	all.Wait()
	return errors.Join(errs...)
}
