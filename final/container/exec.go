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

// An ExecRequest says what to start in a running container.
type ExecRequest struct {
	// Process is the command. It gets the root directory of the container.
	Process     *specs.Process
	Filter      []unix.SockFilter
	FilterFlags uint
	Streams     [3]*os.File
	// Extra are open files that become the descriptors 3, 4, … of the command.
	Extra []*os.File
	Size  *unix.Winsize
	// Plain says that the output of the terminal goes to a file or a pipe, where lines end with LF.
	Plain bool
	// Detached says that the command outlives this process.
	Detached bool
	// Wait passes Signals on to the command. Nil if nobody calls Wait.
	Signals *terminal.Signals
	// Cgroups are cgroups below the container's own. Without any the command joins the container's own. See [cgroup.Cgroup.Below].
	Cgroups []string
	// Explain asks for records of the kernel calls.
	Explain bool
}

// Exec starts a command in the namespaces and the cgroups of a running container. It gives the lock back as soon as the container could
// delay it.
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
	// The container can stop or delay a process that comes into it. Others must not wait for that.
	c.Close()

	joining := &plan{cgroup: groups, namespaces: namespaces, config: request.config(spec, c.store.warn)}
	joining.config.UserNamespace = namespaces.HasUser()
	defer joining.close()
	// The root directory of process 1 may differ from the root of its mount namespace.
	if joining.files, err = c.root(); err != nil {
		return nil, err
	}
	if err := enter(&p, joining, request); err != nil {
		p.Kill()
		// Whatever failed, this is the reason. When process 1 ends, the kernel kills the rest of its PID namespace first, and our process
		// may be the first to go: then the pipe to it breaks.
		if !c.alive() || errors.Is(err, unix.EPIPE) {
			err = c.justEnded()
		}
		return nil, err
	}
	return &p, nil
}

// config is for the container side. Where the request says nothing, the settings of the container count.
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

// enter starts the process in the namespaces of the container, and sends it its orders.
func enter(p *process.Process, joining *plan, request *ExecRequest) error {
	line, groups := p.List.Line(), joining.cgroup
	line.Do("open(tasks of the cgroups)", "cgroups(7)", 6, func() error { return joining.openTasks(groups.Tasks()) })
	// No process can change its own PID namespace: its child is in the new one. setns(2)
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

// sizeOf is the size of the terminal in the configuration.
func sizeOf(process *specs.Process) *unix.Winsize {
	if process.ConsoleSize == nil {
		return nil
	}
	return &unix.Winsize{Row: uint16(process.ConsoleSize.Height), Col: uint16(process.ConsoleSize.Width)}
}

// affinityOf is the affinity of the process, or else of the container.
func affinityOf(process, first *specs.Process) *specs.CPUAffinity {
	if process.ExecCPUAffinity != nil || first == nil {
		return process.ExecCPUAffinity
	}
	return first.ExecCPUAffinity
}

// root opens the root directory of the container, for the container side.
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
		// A process that is ending loses its root directory a moment before it counts as ended.
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
