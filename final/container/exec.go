//go:build linux

package container

import (
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/capability"
	"container-workshop/final/inside"
	"container-workshop/final/rootfs"
	"container-workshop/final/stage"
)

// An ExecRequest is what a process in a running container is made from.
type ExecRequest struct {
	// Process is the command. Its root directory is that of the container.
	Process     *specs.Process
	Filter      []unix.SockFilter
	FilterFlags uint
	Streams     [3]*os.File
	Size        *unix.Winsize
}

// Seal starts this program again from a read-only mount of it, unless it is on one. Between clone and execve our child is a
// process that the container sees, and still this program: with CAP_SYS_PTRACE it could be opened there, and be written as soon
// as nobody executes it. CVE-2019-5736
func Seal() error {
	if rootfs.Sealed() {
		return nil
	}
	self, err := rootfs.SealedSelf()
	if err != nil {
		return err
	}
	defer self.Close()
	return fmt.Errorf("start this program again: %w", unix.Exec(fmt.Sprintf("/proc/self/fd/%d", self.Fd()), os.Args, os.Environ()))
}

// Exec starts a command in a running container: in its namespaces, its cgroups, with what is left of its rights.
//
// It must be called on a thread that is not used for anything else: the children of that are in the container from then on.
func (c *Container) Exec(request *ExecRequest) (*Process, error) {
	caps, err := capability.FromSpec(request.Process.Capabilities)
	if err != nil {
		return nil, err
	}
	init, err := c.process()
	if err != nil {
		return nil, err
	}
	if init == -1 {
		return nil, c.justEnded()
	}
	file := os.NewFile(uintptr(init), "process 1")
	defer file.Close()

	// The container can stop or delay what comes into it, and that is not to hold up others.
	groups := c.Cgroup
	c.Close()

	p := newProcess(false)
	// The descriptors of the child: 3 is its socket, 4 is process 1.
	const joined = 4
	config := inside.Config{
		Tasks: groups.Tasks(), Capabilities: caps, Filter: request.Filter, FilterFlags: request.FilterFlags,
		Join: joined, Tied: true, Size: request.Size,
	}
	config.SetProcess(request.Process)
	err = p.List.Run(
		// A process stays in its PID namespace for life: it is our child that is in that of the container. setns(2)
		stage.Stage{Call: "setns(pidfd, CLONE_NEWPID)", Man: "setns(2)", Step: 3, Do: func() error { return unix.Setns(init, unix.CLONE_NEWPID) }},
		stage.Stage{Call: "clone()", Man: "clone(2)", Step: 1, Do: func() error {
			return p.start(request.Streams, &unix.SysProcAttr{}, file)
		}},
		stage.Stage{Call: "sendmsg(config)", Man: "unix(7)", Do: func() error { return p.send(config) }},
		stage.Stage{Call: "recvmsg(ready)", Man: "unix(7)", Do: p.waitReady},
		stage.Stage{Call: `write("cgroup.procs", pid)`, Man: "cgroups(7)", Step: 6, Do: func() error {
			if !groups.NeedsJoin() {
				return nil
			}
			return groups.Join(p.pid)
		}},
		stage.Stage{Call: "sendmsg(go on)", Man: "unix(7)", Do: p.goOn},
	)
	if err != nil {
		p.abandon()
		if !c.alive() {
			// Whatever has failed, it is for that reason.
			err = c.justEnded()
		}
		return nil, err
	}
	return &p, nil
}

// Tree opens the root directory of a running container.
func (c *Container) Tree() (rootfs.Root, error) {
	tree, err := rootfs.OpenRoot(fmt.Sprintf("/proc/%d/root", c.Pid))
	if err == nil && !c.alive() {
		tree.Close()
		err = c.justEnded()
	}
	return tree, err
}

func (c *Container) justEnded() error {
	return fmt.Errorf("container not running: %s has just ended", c.ID)
}
