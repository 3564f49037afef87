//go:build linux

// Package container runs on the host side, with the host's root directory. It knows the life of one container: how final makes the
// container, what final keeps of it, and how it ends.
//
// These are the processes. Only a line that begins with "final" is this Go program. Each other process is a list of system calls (package
// calls), in a file of its own in memory. final has written the list for this one process, and nobody can change it:
//
//	your shell
//	 ├ final run           is the host side of its container: waits until the command ends, then removes the container
//	 │  ├ guard            a list: lives as long as run; becomes final if somebody kills run, and cleans up (package guard)
//	 │  └ process 1        a list, in new namespaces (package become); becomes the command
//	 ├ final run -d        starts the monitor, prints the ID as soon as the command runs, and ends
//	 │  └ final monitor    is the host side of its container, in a session of its own (package engine); becomes a list, which waits, as
//	 │     │               long as nothing happens
//	 │     ├ guard         lives until the command runs: from then on, the container survives the death of its monitor
//	 │     └ process 1     as for run
//	 ├ final create        makes a container, and ends
//	 │  └ process 1        waits for start, and then becomes the command
//	 ├ final start         connects to this process 1
//	 └ final exec          is the host side of one more process in a container (exec.go)
//	    ├ guard            as for run; exec -d has none
//	    ├ first process    a list: joins the namespaces of the container one after the other, and ends
//	    └ second process   goes on with the list in these namespaces, and becomes the command
//
// Run -d, create and exec -d end before their child does: the nearest subreaper, or process 1 of the host, becomes its parent. Process 1
// of run and the second process of exec die with their parent, by the parent-death signal. Run with --bundle and -d is create and start in
// one process. If a container joins a namespace by its path, or has a new user or time namespace, it also begins with a first process, and the
// second one is its process 1. With --init, process 1 becomes final, with the rights of the command, and the command is its child. The other
// verbs find the container by its state, and start no process.
//
// For an ordinary user, final first enters a user namespace, by a list, and begins again there: see package rootless. The tree above is the
// same then.
//
// Four work at the same time. Process 1 makes what only a process in the new namespaces can make. A thread of final enters the mount
// namespace of process 1, and makes the tree that the command sees (package inside). Another thread makes state, cgroups and limits (beside).
// The main thread makes the clone, and waits for all of them. final and process 1 talk over a pair of sockets:
//
//	final                              its thread inside                  process 1
//	compiles the list
//	beside: state; cgroups
//	clone, with new namespaces, into the cgroup of version 2 -----------> execve of the list
//	beside: storage                                                       hostname; loopback; fsopen of all file systems
//	                                   enters the mount namespace
//	                                   bind mounts; the root  <---------- WordFilesystems, with descriptors; waits
//	                                   attaches all mounts; devices
//	limits
//	prestart, createRuntime and <----- everything is mounted
//	createContainer hooks -----------> terminal; masks; finds the
//	                                   command; ends
//	Orders, with descriptors -------------------------------------------> pivot_root; sysctls; working directory; terminal
//	                                                                      joins cgroups of version 1; limits; gives up its rights
//	       <------------------------------------------------------------- create ends here: the socket closes, and process 1 accepts start
//	start connects: go on ----------------------------------------------> WordHooks, if there are startContainer hooks; waits for them
//	                                                                      loads the seccomp filter; becomes the command: execve
//	       <------------------------------------------------------------- execve closes the socket; or the number of the call that failed
//	poststart hooks
//	waits for the end, and passes signals on
//	removes cgroups, storage and state; poststop hooks
//
// Run does all of this in one process, without the two lines about create and start. If a caller of run has something to do before the
// command runs, such as to write a --pid-file, process 1 says WordReady before it joins the cgroups, and waits for one more byte. Process 1
// joins its cgroups of version 1 late, so that hardly anything counts against the limits of the command but what it does itself. Without
// no_new_privs, process 1 gives up its rights after the line about start.
//
// The clone puts process 1 into its cgroup of version 2: a later move would wait for a grace period of RCU, for 5 to 20 ms. final writes the
// limits only when all mounts are made, so they do not slow the set-up down. A container without a cgroup of version 2 needs none of this:
// there, cgroups and limits are made beside the clone. If the kernel refuses such a clone, final moves process 1 after it has written the
// limits. In a scope, systemd moves process 1.
package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/alive"
	"container-workshop/final/process"
	"container-workshop/final/stage"
)

// A Run is a container that this process has made, and whose process 1 is its child.
type Run struct {
	Container
	process.Process
	request *Request
	// pin is a descriptor of the directory of the container. As long as pin is open, no other directory gets the same inode number.
	pin int
	// plan is there until the command runs.
	plan *plan
	// netDevices are the network devices that have moved from the host to the container.
	netDevices netDevices
}

// Create makes a container, up to the point where only Start is missing. After a failure nothing of it is left.
func (s *Store) Create(request *Request) (*Run, error) {
	r := &Run{request: request, Process: process.Make(request.Explain, s.asked)}
	r.store, r.lock, r.Unfreeze = s, -1, r.thaw
	r.Signals = request.Signals
	if err := r.make(); err != nil {
		return nil, errors.Join(r.blameMemory(err), r.Remove())
	}
	return r, nil
}

// Start lets process 1 become the command, and returns when process 1 has.
func (r *Run) Start() error {
	defer r.Close()
	// A container whose command never ran is not kept.
	r.Keep = r.request.Keep
	line := r.List.Line()
	if r.request.Pauses {
		line.Wait("write(go on)", "unix(7)", r.GoOn)
	} else {
		line.Wait("sendmsg(go on)", "unix(7)", func() error { return r.GoWith(r.plan.orderWith(r.plan.made)) })
	}
	r.closePlan()
	// The command runs from here on. The configuration of a bundle is there already.
	if r.request.Bundle == "" {
		line.Do("write(config.json)", "write(2)", 0, r.writeConfig)
	}
	r.config = r.request.Spec
	line.Do("write(state.json, running)", "write(2)", 0, func() error { return r.set(specs.StateRunning) })
	if line.Err == nil {
		r.netDevices.close()
	}
	// A poststart hook may call final, and wait for the lock.
	r.Close()
	if line.Err == nil {
		r.poststart(r.request.Spec.Hooks)
	}
	return r.blameMemory(line.Err)
}

func (r *Run) closePlan() {
	if r.plan != nil {
		r.plan.close()
		r.plan = nil
	}
}

func (r *Run) set(status specs.ContainerState) error {
	r.Status = status
	return r.save()
}

// Remove ends the container, and removes everything that is left of it. It is no error if parts are gone, or never existed.
func (r *Run) Remove() error {
	r.closePlan()
	err := r.netDevices.back()
	r.Kill()
	if r.dir == "" || r.lock == -1 && !r.reopen() {
		return err
	}
	return errors.Join(err, r.Container.remove(&r.List))
}

// Finish writes down how the command of a kept container has ended. If callers may want to read what the container has used, its cgroups
// stay until delete.
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
	return errors.Join(err, r.unplug(&r.List), r.set(specs.StateStopped))
}

// reopen takes the lock again, unless another container has taken our place meanwhile.
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

// remove removes the cgroups, what the engine keeps, and the state, in this order: if somebody kills us in between, delete can finish the
// job.
func (c *Container) remove(list *stage.List) error {
	defer c.Close()
	poststop := c.poststop()
	line := list.Line()
	line.Do("rmdir(cgroups)", "cgroups(7)", 6, c.empty)
	line.Do("rmdir(storage)", "rmdir(2)", 0, func() error { return c.release(list) })
	line.Do("rmdir(state)", "rmdir(2)", 0, c.removeState)
	if line.Err == nil {
		poststop()
	}
	return line.Err
}

// release removes what an engine keeps for the container. If the state is lost, nobody knows whether an engine keeps anything. So a failure
// is then only a warning, and delete goes on: a container from a bundle has no storage.
func (c *Container) release(list *stage.List) error {
	if !c.Stored || c.store.Release == nil {
		return nil
	}
	err := errors.Join(c.unplug(list), c.store.Release(c.store.Root, c.ID))
	if err != nil && c.lost != nil {
		c.store.warn(fmt.Sprintf("storage of container %s, if it has any: %v", c.ID, err))
		return nil
	}
	return err
}

// unplug takes the container out of its network.
func (c *Container) unplug(list *stage.List) error {
	if !c.Stored || c.store.Unplug == nil {
		return nil
	}
	return c.store.Unplug(list, c.store.Root, c.ID)
}

// removeState removes the directory. config.json goes first: without the state it would name a cgroup that may belong to somebody else by
// then.
func (c *Container) removeState() error {
	if err := os.Remove(filepath.Join(c.dir, "config.json")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return removeDir(c.store.Root, filepath.Base(c.dir))
}

// empty removes the cgroups, unless somebody else's processes are in them.
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

// comingTimeout is how long a process may be on its way into a container that has ended.
const comingTimeout = 3 * time.Second

// endRest ends the processes that are left in the cgroups after the end of process 1. If the container had its own PID namespace, none can
// be left: the kernel has killed them together with process 1. Then the processes belong to somebody who has taken the cgroups since, and
// endRest leaves them alone. A container whose state is lost may still be running.
func (c *Container) endRest() (taken bool, err error) {
	empty := c.lost == nil && c.Cgroup.Unit == "" && c.ownsPIDs()
	left, err := c.running()
	// Two kinds of processes are still on their way into the container, and end by themselves: a process 1 that is not in the state dies
	// with its maker, and a process of exec cannot join the PID namespace any more. Both may need a moment. If the container has frozen its
	// cgroup, they have to thaw first.
	for deadline := time.Now().Add(comingTimeout); len(left) > 0 && (empty || c.unborn) && time.Now().Before(deadline); {
		if joining(left) {
			c.thaw()
		}
		time.Sleep(10 * time.Millisecond)
		left, err = c.running()
	}
	if err == nil && (len(left) == 0 || empty) {
		return len(left) > 0, nil
	}
	return false, errors.Join(err, c.Cgroup.Kill(unix.SIGKILL))
}

// joining reports whether all processes are still in our PID namespace, on their way into the container's. Others belong to a container that
// has taken the cgroups, and that somebody may have paused.
func joining(pids []int) bool {
	ours, _ := os.Readlink("/proc/self/ns/pid")
	return !slices.ContainsFunc(pids, func(pid int) bool {
		theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
		return theirs != ours && !errors.Is(err, os.ErrNotExist)
	})
}

// running returns the processes in the cgroups that are not just ending: such a process is listed a moment longer.
func (c *Container) running() ([]int, error) {
	pids, err := c.Cgroup.Procs()
	return slices.DeleteFunc(pids, func(pid int) bool {
		started, state := alive.Started(pid)
		return started == "" || state == "Z" || state == "X"
	}), err
}
