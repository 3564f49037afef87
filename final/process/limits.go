//go:build linux

package process

import (
	"errors"
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/namespace"
	"container-workshop/final/spec"
	"container-workshop/final/stage"
)

// Limit sets what only somebody with CAP_SYS_RESOURCE on the host may set, which nobody in a user namespace has. capabilities(7)
func (p *Process) Limit(line *stage.Line, config *specs.Process, inUserNamespace bool) {
	if score := config.OOMScoreAdj; score != nil {
		// The higher the score, the sooner the kernel kills the command when memory runs out.
		line.Do(fmt.Sprintf("write(/proc/<pid>/oom_score_adj, \"%d\")", *score), "proc_pid_oom_score_adj(5)", 0, func() error {
			name := fmt.Sprintf("/proc/%d/oom_score_adj", p.PID)
			err := os.WriteFile(name, fmt.Append(nil, *score), 0)
			if errors.Is(err, unix.EACCES) && namespace.Nested() {
				// Only CAP_SYS_RESOURCE of the host can lower the score. runc and crun leave the score as it is, too.
				p.Warn(fmt.Sprintf("process.oomScoreAdj: %d: only root of the host can lower the score, so the score stays as it is (use sudo, or ask for no lower score)", *score))
				return nil
			}
			if err != nil {
				return fmt.Errorf("process.oomScoreAdj: write \"%d\" to %s: %w", *score, name, errors.Unwrap(err))
			}
			return nil
		})
	}
	if inUserNamespace && len(config.Rlimits) > 0 && !namespace.Nested() {
		line.Do("prlimit(pid, hard limits)", "prlimit(2)", 0, func() error { return p.raise(config.Rlimits) })
	}
}

// raise raises hard limits. The process itself sets all limits shortly before it becomes the command.
func (p *Process) raise(limits []specs.POSIXRlimit) error {
	for _, limit := range limits {
		number, known := spec.Rlimit(limit.Type)
		var now unix.Rlimit
		if !known || unix.Prlimit(p.PID, number, nil, &now) != nil || limit.Hard <= now.Max {
			continue
		}
		now.Max = limit.Hard
		if err := unix.Prlimit(p.PID, number, &now, nil); err != nil {
			return fmt.Errorf("process.rlimits: raise the hard limit %s to %d: %w", limit.Type, limit.Hard, err)
		}
	}
	return nil
}

// nlimits is the number of resource limits, RLIM_NLIMITS of the kernel.
const nlimits = 16

// Like gives the process the resource limits and the OOM score of another one. prlimit(2), proc_pid_oom_score_adj(5)
func (p *Process) Like(pid int) error {
	for resource := range nlimits {
		var limit unix.Rlimit
		if err := unix.Prlimit(pid, resource, nil, &limit); err == unix.EPERM {
			// Without CAP_SYS_RESOURCE only the limits of our own users can be seen.
			break
		} else if err != nil {
			return fmt.Errorf("prlimit: %w", err)
		}
		if err := unix.Prlimit(p.PID, resource, &limit, nil); err != nil {
			return fmt.Errorf("prlimit: %w", err)
		}
	}
	score, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid))
	if err == nil {
		err = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", p.PID), score, 0)
	}
	return err
}
