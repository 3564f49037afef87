//go:build linux

package container

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"container-workshop/final/process"
)

// OOM returns an error if the kernel killed the command because the container used too much memory. status is the exit status of the
// command.
func (r *Run) OOM(status int) error {
	if status != 128+int(unix.SIGKILL) {
		return nil
	}
	limit := r.exceeded()
	if limit == 0 {
		return nil
	}
	return &process.Failure{Status: status, Err: fmt.Errorf("killed: the container used more memory than its limit of %s (raise the limit with --memory)", size(limit))}
}

// blameMemory says in an error if process 1 has ended because of the limit of memory, before it became the command.
func (r *Run) blameMemory(err error) error {
	if r.Cgroup == nil || !errors.Is(err, process.ErrGone) {
		return err
	}
	if limit := r.exceeded(); limit != 0 {
		err = fmt.Errorf("%w: it needed more memory than its limit of %s (raise the limit with --memory)", err, size(limit))
	}
	return err
}

// exceeded returns the limit of memory if the kernel has killed a process for it, and 0 otherwise.
func (r *Run) exceeded() int64 {
	kills, limit, err := r.Cgroup.OOMKills()
	if err != nil || kills == 0 {
		return 0
	}
	return max(limit, 0)
}

// size writes a number of bytes as you would type it in a flag.
func size(bytes int64) string {
	for _, unit := range []struct {
		name  string
		shift uint
	}{{"g", 30}, {"m", 20}, {"k", 10}} {
		if bytes >= 1<<unit.shift && bytes%(1<<unit.shift) == 0 {
			return fmt.Sprintf("%d%s", bytes>>unit.shift, unit.name)
		}
	}
	return fmt.Sprint(bytes)
}
