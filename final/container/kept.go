//go:build linux

package container

import (
	"path/filepath"

	"container-workshop/final/process"
)

// A Kept is a Run between two programs of the same process: the monitor of a detached container executes another program while nothing
// happens. It is still the parent of process 1 afterwards. execve(2)
type Kept struct {
	State State
	// Pin and Pidfd are descriptors that stay open.
	Pin, Pidfd int
	OwnCgroups bool
}

// Leave returns what Resume needs.
func (r *Run) Leave() Kept {
	return Kept{State: r.State, Pin: r.pin, Pidfd: r.Pidfd, OwnCgroups: r.request.OwnCgroups}
}

// Resume returns the run of a container whose command runs, as this process has left it.
func (s *Store) Resume(k Kept) *Run {
	r := &Run{request: &Request{OwnCgroups: k.OwnCgroups, Keep: k.State.Keep}, Process: process.Make(false, s.warn), pin: k.Pin}
	r.Container = Container{State: k.State, store: s, dir: filepath.Join(s.Root, k.State.ID), lock: -1}
	r.PID, r.Pidfd, r.Unfreeze = k.State.Pid, k.Pidfd, r.thaw
	return r
}
