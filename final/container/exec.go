//go:build linux

package container

import (
	"errors"
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/become"
	"container-workshop/final/cgroup"
	"container-workshop/final/inside"
	"container-workshop/final/more/idmap"
	"container-workshop/final/namespace"
	"container-workshop/final/process"
	"container-workshop/final/rootfs"
	"container-workshop/final/stage"
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
	p := process.Make(request.Explain, c.store.asked)
	p.Signals = request.Signals
	if request.FilterFlags&unix.SECCOMP_FILTER_FLAG_NEW_LISTENER != 0 {
		if p.Agent, err = c.agentOf(spec); err != nil {
			return nil, err
		}
	}
	// The container can stop or delay a process that joins it. So give the lock back first: nobody else has to wait.
	c.Close()

	joining := &plan{cgroup: groups, namespaces: namespaces}
	defer joining.close()
	err = c.planJoin(joining, request, spec)
	if err == nil {
		err = enter(&p, joining, request)
	}
	if err != nil {
		p.Kill()
		// If process 1 has ended, this is the reason, whatever call failed. The kernel kills all other processes of the PID namespace before
		// process 1 has ended, so our process may be the first to go: then our messages fail.
		if !c.IsAlive() || errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ESRCH) {
			err = c.justEnded()
		}
		return nil, err
	}
	return &p, nil
}

// planJoin says what the process does. Where the request says nothing, the settings of the container count.
func (c *Container) planJoin(p *plan, q *ExecRequest, config *specs.Spec) (err error) {
	command := become.Request{
		Config: config, Process: q.Process, Affinity: affinityOf(q.Process, config.Process), Capabilities: capabilities(q.Process, c.store.warn),
		Filter: q.Filter, FilterFlags: q.FilterFlags, Namespaces: p.namespaces, Extra: len(q.Extra), Tasks: len(p.cgroup.Tasks()),
		Tied: !q.Detached, Explain: q.Explain,
	}
	p.into = intoCgroup(p.cgroup)
	p.planStreams(&command, q.streams())
	if p.program, err = become.Joined(&command); err != nil {
		return err
	}
	warnOf(p.program, c.store)
	joins := *config
	joins.Process = q.Process
	p.inside.Spec, p.inside.UserNamespace, p.inside.Size, p.inside.Plain = &joins, p.namespaces.HasUser(), q.Size, q.Plain
	if size := sizeOf(q.Process); size != nil {
		p.inside.Size = size
	}
	// The root directory of process 1 may differ from the root of its mount namespace.
	tree, err := c.Tree()
	if err != nil {
		return err
	}
	p.inside.Root = p.add(int(tree))
	p.orders.Root = p.inside.Root
	return nil
}

func (q *ExecRequest) streams() [3]*os.File {
	if q.Process.Terminal {
		return [3]*os.File{}
	}
	return q.Streams
}

// enter starts the process in the namespaces of the container, and gives it its orders.
func enter(p *process.Process, joining *plan, request *ExecRequest) error {
	line, groups := p.List.Line(), joining.cgroup
	line.Do("open(tasks of the cgroups)", "cgroups(7)", 6, func() error { return joining.openTasks(groups.Tasks()) })
	// No process can change its own PID namespace, so a second process goes on. See enter in package become.
	line.Do("clone(), setns(pidfd), clone()", "setns(2)", 3, func() error {
		return start(p, joining, request.streams(), request.Extra)
	})
	if groups.NeedsJoin() && p.Into == nil {
		go cgroup.Warm()
	}
	var made *inside.Made
	if line.Err == nil {
		made, line.Err = join(p, line, &joining.inside)
		line.Err = failure(line.Err)
		if line.Err != nil {
			line.Err = p.Why(line.Err)
		}
	}
	p.Limit(line, request.Process, joining.inside.UserNamespace)
	if p.Into == nil {
		line.Do(`write("cgroup.procs", pid)`, "cgroups(7)", 6, func() error { return groups.JoinRest(p.PID) })
	}
	joining.made = made
	if line.Err == nil && made.Master != -1 {
		p.Terminal, line.Err = terminal.Open(made.Master, p.Pidfd)
	}
	// From its orders on, the process can become the command at any time, and a signal at its first output is for the command.
	line.Wait("sendmsg(go on)", "unix(7)", func() error { return p.GoWith(joining.orderWith(made)) })
	return line.Err
}

// join prepares what the process gets: a terminal, a HOME and the path of its command. In a user namespace, the terminal must belong to a user
// of the container, so a thread opens it as user 0 there.
func join(p *process.Process, line *stage.Line, q *inside.Request) (made *inside.Made, err error) {
	if !q.UserNamespace {
		return inside.Join(line, q)
	}
	if q.IDs, err = idmap.Read(p.PID); err != nil {
		return nil, err
	}
	err = inside.Enter(-1, -1, q.IDs, func() error {
		made, err = inside.Join(line, q)
		return err
	})
	return made, err
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
	case err == nil && !c.IsAlive():
		tree.Close()
		err = c.justEnded()
	}
	return tree, err
}

func (c *Container) justEnded() error {
	return fmt.Errorf("container not running: %s has just ended", c.ID)
}
