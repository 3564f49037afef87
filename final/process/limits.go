//go:build linux

package process

import (
	"errors"
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/spec"
	"container-workshop/final/stage"
)

// Limiting returns what sets for a process what takes CAP_SYS_RESOURCE on the host, which nobody has in a user namespace. capabilities(7)
func (p *Process) Limiting(config *specs.Process, inUserNamespace bool) []stage.Stage {
	var list []stage.Stage
	if score := config.OOMScoreAdj; score != nil {
		// How soon the kernel is to end the command when memory runs out.
		list = append(list, stage.Stage{Call: fmt.Sprintf("write(/proc/<pid>/oom_score_adj, \"%d\")", *score), Man: "proc_pid_oom_score_adj(5)", Do: func() error {
			name := fmt.Sprintf("/proc/%d/oom_score_adj", p.PID)
			if err := os.WriteFile(name, fmt.Append(nil, *score), 0); err != nil {
				return fmt.Errorf("process.oomScoreAdj: write \"%d\" to %s: %w", *score, name, errors.Unwrap(err))
			}
			return nil
		}})
	}
	if inUserNamespace && len(config.Rlimits) > 0 {
		list = append(list, stage.Stage{Call: "prlimit(pid, hard limits)", Man: "prlimit(2)", Do: func() error { return p.raise(config.Rlimits) }})
	}
	return list
}

// raise raises hard limits. The process itself sets the rest when it needs no memory and no files any more.
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
