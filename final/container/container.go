//go:build linux

// Package container runs on the host side. It knows the life of one container: how it is made, what is kept of it, how it ends.
//
// The processes, each of which is this program until execve:
//
//	your shell
//	 └ final run, exec, create, start, …   the host side, with the host's root directory
//	    ├ guard                            cleans up if somebody kills its parent (package guard)
//	    ├ monitor                          run -d only: it is the host side of the container from here on, in a session of its own,
//	    │  └ …                             and has the same children (package engine)
//	    └ process 1                        the container side, in new namespaces (package inside): becomes the command
//
// A process that joins namespaces, for exec or for a namespace that a configuration names by its path, is started by two forks:
//
//	├ first fork                       no Go program any more: joins the namespaces, one by one, and ends (package join)
//	└ second fork                      in all of the namespaces: becomes the container side by execve, and that the command
//
// How the two sides talk, over a pair of sockets of which process 1 has the other end:
//
//	host side                                          container side (package inside)
//	clone, with new namespaces ----------------------> execve of this program, from a read-only mount
//	writes the state, makes cgroups, meanwhile
//	Config, with mounts of what is the host's -------> makes the container around itself: mounts
//	       <------------------------------------------ Report: all is mounted, if the host side has to do something then
//	network devices, if there are some to move
//	prestart and createRuntime hooks; go on ---------> createContainer hooks; root, terminal
//	       <------------------------------------------ Report: ready, or why not; with the terminal, if there is one
//	puts it into the cgroup, on version 2
//	go on -------------------------------------------> joins its cgroups, on version 1
//	       <------------------------------------------ created, for a later start: the socket is closed, a listening one is open
//	start connects: go on ---------------------------> gives up its rights; startContainer hooks
//	                                                   becomes the command: execve
//	       <------------------------------------------ the socket is closed by that; or Report: why not
//	waits, and passes signals on; or poststart hooks
//	removes cgroups, overlay and state; poststop hooks
//
// The container side joins its cgroups so late because nothing of this program is to count against the limits of the command.
// Run is all of it in one process of the host side, without the lines about start; create ends with that line, and start begins.
package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/process"
	"container-workshop/final/stage"
)

// A Run is a container that this process has made, and whose process 1 is its child.
type Run struct {
	Container
	process.Process
	request *Request
	// pin is a descriptor of the directory of the container. As long as it is open, no other directory has its inode.
	pin int
	// netDevices are the host's that have been moved to the container.
	netDevices netDevices
}

// Create makes a container up to the point where its command has only to be started. If that fails nothing is left of it.
func (s *Store) Create(request *Request) (*Run, error) {
	r := &Run{request: request, Process: process.Make(request.Explain, s.warn)}
	r.store, r.lock, r.Unfreeze = s, -1, r.thaw
	r.Signals = request.Signals
	if err := r.make(); err != nil {
		return nil, errors.Join(err, r.Remove())
	}
	return r, nil
}

// clone starts process 1.
func (r *Run) clone(p *plan) error {
	streams := r.request.Streams
	if r.request.Spec.Process.Terminal {
		streams = [3]*os.File{}
	}
	attr := unix.SysProcAttr{}
	if p.config.Tied {
		attr.Pdeathsig = unix.SIGKILL
	}
	return r.Process.Start(p.namespaces, streams, r.request.Extra, &attr)
}

// Start lets the container become its command. It returns when that has happened.
func (r *Run) Start() error {
	defer r.Close()
	// A container that never ran is not kept.
	r.Keep = r.request.Keep
	line := r.List.Line()
	line.Wait("sendmsg(go on)", "unix(7)", r.GoOn)
	// The command runs from here on.
	line.Do("write(config.json)", "write(2)", 0, r.writeConfig)
	line.Do("write(state.json, running)", "write(2)", 0, func() error { return r.set(specs.StateRunning) })
	if line.Err == nil {
		r.netDevices.close()
	}
	// Hooks may ask for what needs the lock.
	r.Close()
	if line.Err == nil {
		r.poststart(r.request.Spec.Hooks)
	}
	return line.Err
}

func (r *Run) set(status specs.ContainerState) error {
	r.Status = status
	return r.save()
}

// Remove ends the container and removes all that is left of it. It is no error if parts of it are gone, or were never there.
func (r *Run) Remove() error {
	err := r.netDevices.back()
	r.Kill()
	if r.dir == "" || r.lock == -1 && !r.reopen() {
		return err
	}
	return errors.Join(err, r.Container.remove(&r.List))
}

// Finish notes how the command has ended, in a container that is kept. Its cgroups stay as well, until delete, if callers may read there
// what the container has used.
func (r *Run) Finish(status int) error {
	if !r.reopen() {
		return nil
	}
	defer r.Close()
	taken, err := r.endRest()
	if err == nil && !taken && (r.request.OwnCgroups || r.Cgroup.Unit != "") {
		if err = r.Cgroup.Remove(); err == nil {
			r.Cgroup = nil
		}
	}
	r.Container.Pid, r.Exit = 0, &status
	return errors.Join(err, r.set(specs.StateStopped))
}

// reopen takes the lock again, if the container is still the one that we have made.
func (r *Run) reopen() bool {
	c := Container{store: r.store, dir: r.dir, lock: -1}
	if c.acquire() != nil {
		return false
	}
	var there, ours unix.Stat_t
	if unix.Fstat(c.lock, &there) != nil || unix.Fstat(r.pin, &ours) != nil || there.Ino != ours.Ino || there.Dev != ours.Dev {
		c.Close()
		return false
	}
	r.lock = c.lock
	return true
}

// remove removes the cgroups, what was written, and the state, in this order: what is left if we are killed meanwhile can be
// removed again.
func (c *Container) remove(list *stage.List) error {
	defer c.Close()
	poststop := c.poststop()
	line := list.Line()
	line.Do("rmdir(cgroups)", "cgroups(7)", 6, c.empty)
	line.Do("rmdir(storage)", "rmdir(2)", 0, c.release)
	line.Do("rmdir(state)", "rmdir(2)", 0, c.removeState)
	if line.Err == nil {
		poststop()
	}
	return line.Err
}

// release removes what somebody else keeps for the container.
func (c *Container) release() error {
	if !c.Stored || c.store.Release == nil {
		return nil
	}
	return c.store.Release(c.store.Root, c.ID)
}

// removeState removes the directory. The configuration comes first: alone it would name a cgroup that may be another's by then.
func (c *Container) removeState() error {
	if err := os.Remove(filepath.Join(c.dir, "config.json")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return removeDir(c.store.Root, filepath.Base(c.dir))
}

// empty removes the cgroups, when nothing is in them any more.
func (c *Container) empty() error {
	if c.Cgroup == nil {
		return nil
	}
	taken, err := c.endRest()
	if taken {
		c.store.warn(fmt.Sprintf("%s stays: it has processes that are not the container's", c.Cgroup.Dirs[0].Path))
	}
	if err != nil || taken {
		return err
	}
	return c.Cgroup.Remove()
}

// endRest ends processes that are still in the cgroups, now that process 1 has ended. If the container had a PID namespace of its own,
// all of its processes ended with process 1: any that are left belong to somebody who has taken the cgroups since, and they are left
// alone. A container whose state is lost may still be running.
func (c *Container) endRest() (taken bool, err error) {
	left, err := c.Cgroup.Procs()
	// One that is just ending is listed a moment longer.
	left = slices.DeleteFunc(left, func(pid int) bool {
		started, state := startTime(pid)
		return started == "" || state == "Z" || state == "X"
	})
	if err == nil && (len(left) == 0 || c.lost == nil && c.Cgroup.Unit == "" && c.ownsPIDs()) {
		return len(left) > 0, nil
	}
	return false, errors.Join(err, c.Cgroup.Kill(unix.SIGKILL))
}

// OOM returns an error if the kernel has killed the command, whose exit status is given, because the container used too much memory.
func (r *Run) OOM(status int) error {
	if status != 128+int(unix.SIGKILL) {
		return nil
	}
	kills, limit, err := r.Cgroup.OOMKills()
	if err != nil || kills == 0 || limit <= 0 {
		return nil
	}
	return &process.Failure{Status: status, Err: fmt.Errorf("killed: the container used more memory than its limit of %s (raise the limit with --memory)", size(limit))}
}

// size writes bytes as they are written in flags.
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
