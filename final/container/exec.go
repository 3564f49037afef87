//go:build linux

package container

import (
	"errors"
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/capability"
	"container-workshop/final/cgroup"
	"container-workshop/final/inside"
	"container-workshop/final/namespace"
	"container-workshop/final/process"
	"container-workshop/final/rootfs"
	"container-workshop/final/terminal"
)

// An ExecRequest is what a process in a running container is made from.
type ExecRequest struct {
	// Process is the command. Its root directory is that of the container.
	Process     *specs.Process
	Filter      []unix.SockFilter
	FilterFlags uint
	Streams     [3]*os.File
	// Extra are descriptors that the command gets from 3 on.
	Extra []*os.File
	Size  *unix.Winsize
	// Plain says that what is printed at the terminal goes to a file or a pipe, where lines end with LF.
	Plain bool
	// Detached says that the command is to outlive us.
	Detached bool
	// Signals are passed on to the command by Wait. Nil if nobody calls that.
	Signals *terminal.Signals
	// Cgroups are places below the cgroup of the container. Empty for that itself. See [cgroup.Cgroup.Below].
	Cgroups []string
	// Explain asks for records of what is done.
	Explain bool
}

// Exec starts a command in a running container: in its namespaces, its cgroups, with what is left of its rights. The lock is given
// back as soon as the container could hold us up.
func (c *Container) Exec(request *ExecRequest) (*process.Process, error) {
	if err := checkLabels(request.Process); err != nil {
		return nil, err
	}
	spec, err := c.Spec()
	if err != nil {
		return nil, err
	}
	init, err := c.pidfd()
	if err != nil {
		return nil, err
	}
	if init == -1 {
		return nil, c.justEnded()
	}
	file := os.NewFile(uintptr(init), "process 1")
	defer file.Close()

	namespaces, err := namespace.Of(c.Pid, file)
	if err != nil {
		return nil, errors.Join(err, c.justEnded())
	}
	groups, err := c.Cgroup.Below(request.Cgroups)
	if err != nil {
		return nil, err
	}
	p := process.Make(request.Explain, c.store.warn)
	p.Signals = request.Signals
	if request.FilterFlags&unix.SECCOMP_FILTER_FLAG_NEW_LISTENER != 0 {
		if p.Agent, err = c.agentOf(spec); err != nil {
			return nil, err
		}
	}
	// The container can stop or delay what comes into it, and that is not to hold up others.
	c.Close()

	joining := &plan{cgroup: groups, namespaces: namespaces, config: request.config(spec, c.store.warn)}
	joining.config.UserNamespace = namespaces.HasUser()
	defer joining.close()
	// Its root directory need not be that of its mount namespace.
	if joining.files, err = c.root(); err != nil {
		return nil, err
	}
	if err := enter(&p, joining, request); err != nil {
		p.Kill()
		// Whatever has failed, it is for that reason. When process 1 ends, the kernel first kills all others in its PID namespace, and
		// ours may be the first of them: then the pipe to it breaks.
		if !c.alive() || errors.Is(err, unix.EPIPE) {
			err = c.justEnded()
		}
		return nil, err
	}
	return &p, nil
}

// config is what the process is told. What it does not say of itself is the container's.
func (q *ExecRequest) config(spec *specs.Spec, warn func(string)) inside.Config {
	caps, err := capability.FromSpec(q.Process.Capabilities)
	if err != nil {
		warn(err.Error())
	}
	config := inside.Config{
		Capabilities: caps, Filter: q.Filter, FilterFlags: q.FilterFlags, Joins: true, Tied: !q.Detached, Size: q.Size, Plain: q.Plain,
		CPUAffinity: affinityOf(q.Process, spec.Process), Personality: spec.Linux.Personality,
		MemoryPolicy: spec.Linux.MemoryPolicy,
	}
	config.SetProcess(q.Process)
	if size := sizeOf(q.Process); size != nil {
		config.Size = size
	}
	return config
}

// enter starts the process in the namespaces of the container, and tells it what it is to become.
func enter(p *process.Process, joining *plan, request *ExecRequest) error {
	line, groups := p.List.Line(), joining.cgroup
	line.Do("open(tasks of the cgroups)", "cgroups(7)", 6, func() error { return joining.openTasks(groups.Tasks()) })
	// A process stays in its PID namespace for life: it is our child that is in that of the container. setns(2)
	line.Do("fork(), setns(pidfd), clone()", "setns(2)", 3, func() error {
		return p.Start(joining.namespaces, request.Streams, request.Extra, &unix.SysProcAttr{})
	})
	line.Do("sendmsg(config)", "unix(7)", 0, func() error {
		if groups.NeedsJoin() {
			go cgroup.Warm()
		}
		return p.Send(&joining.config, joining.numbers()...)
	})
	line.Wait("recvmsg(ready)", "unix(7)", p.WaitReady)
	p.Limit(line, request.Process, joining.config.UserNamespace)
	line.Do(`write("cgroup.procs", pid)`, "cgroups(7)", 6, func() error { return groups.JoinRest(p.PID) })
	line.Wait("sendmsg(go on)", "unix(7)", p.GoOn)
	return line.Err
}

// sizeOf is that of the terminal, as the configuration has it.
func sizeOf(process *specs.Process) *unix.Winsize {
	if process.ConsoleSize == nil {
		return nil
	}
	return &unix.Winsize{Row: uint16(process.ConsoleSize.Height), Col: uint16(process.ConsoleSize.Width)}
}

// affinityOf is that of the process itself, else that of the container.
func affinityOf(process, first *specs.Process) *specs.CPUAffinity {
	if process.ExecCPUAffinity != nil || first == nil {
		return process.ExecCPUAffinity
	}
	return first.ExecCPUAffinity
}

// root returns the root directory of the container, to be sent.
func (c *Container) root() ([]*os.File, error) {
	tree, err := c.Tree()
	if err != nil {
		return nil, err
	}
	return []*os.File{os.NewFile(uintptr(tree), "root directory")}, nil
}

// Tree opens the root directory of a running container.
func (c *Container) Tree() (rootfs.Root, error) {
	if c.lost != nil {
		return -1, c.lost
	}
	tree, err := rootfs.OpenRoot(fmt.Sprintf("/proc/%d/root", c.Pid))
	switch {
	case errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH):
		// One that is ending has no root directory any more, before it counts as ended.
		err = c.justEnded()
	case err == nil && !c.alive():
		tree.Close()
		err = c.justEnded()
	}
	return tree, err
}

func (c *Container) justEnded() error {
	return fmt.Errorf("container not running: %s has just ended", c.ID)
}
