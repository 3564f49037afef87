//go:build linux

package container

import (
	"cmp"
	"os"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"container-workshop/final/alive"
	"container-workshop/final/become"
	"container-workshop/final/cgroup"
	"container-workshop/final/inside"
	"container-workshop/final/more/hook"
	"container-workshop/final/namespace"
	"container-workshop/final/process"
	"container-workshop/final/stage"
	"container-workshop/final/terminal"
)

// make is the host side of making a container. The calls stand in the order in which they are made. Two other threads work beside this
// one, and process 1 does: see beside and work.
func (r *Run) make() (err error) {
	p, err := newPlan(r.request, r.store)
	if err != nil {
		return err
	}
	r.plan = p
	defer r.request.Root.Close()
	// The state gets these when claim takes the ID.
	r.ID, r.Agent = r.request.ID, p.agent
	if hooks := r.request.Spec.Hooks; hooks != nil && len(hooks.StartContainer) > 0 {
		r.Process.Hooks = func() error { return r.startContainer(r.request.Spec) }
	}

	line := r.List.Line()
	openRoot := func() {
		line.Do("open_tree(rootfs)", "open_tree(2)", 4, func() error { return r.openRoot(p) })
	}
	if r.request.Mount == nil {
		// The list of mounts has them in the order in which they were made, and this is the first.
		openRoot()
	}
	beside, works := r.newBeside(), false
	begin := func() {
		if !works {
			works = true
			go beside.work(r, p)
		}
	}
	r.moveCaller(line, p)
	if p.into {
		line.Wait("wait(cgroups)", "mkdir(2)", func() error { begin(); return <-beside.made })
	}
	line.Do("clone("+flagNames(p.namespaces.New)+")", "clone(2)", 1, func() error { begin(); return start(&r.Process, p, r.request.streams(), r.request.Extra) })
	if !works {
		return line.Err
	}
	close(beside.started)
	r.tellFlags(line, p.namespaces.New)
	line.Wait("wait(state)", "mkdir(2)", func() error { return <-beside.claimed })
	if r.request.Mount != nil {
		openRoot()
	}
	line.Do("open_tree(volumes)", "open_tree(2)", 0, func() error { return r.openMounts(p) })
	var work *work
	if line.Err == nil {
		work = r.enter(p, beside)
	}
	err = <-beside.done
	r.List.Records = append(r.List.Records, beside.list.Records...)
	line.Err = cmp.Or(line.Err, err)
	r.settle(line, p)
	r.attend(line, work)
	r.connect(line, p)
	return line.Err
}

// moveCaller gives this process a scope of its own, if only then the systemd of an ordinary user can give process 1 one: see
// [cgroup.Cgroup.MoveCaller].
func (r *Run) moveCaller(line *stage.Line, p *plan) {
	if q := r.request; q.SystemdCgroup && q.OwnCgroups && namespace.Nested() && len(q.Spec.Linux.UIDMappings) > 0 {
		line.Do("StartTransientUnit(scope of final)", "systemd.scope(5)", 6, p.cgroup.MoveCaller)
	}
}

// tellFlags tells what each flag of the clone is for.
func (r *Run) tellFlags(line *stage.Line, flags uintptr) {
	if r.Into != nil {
		line.Tell("  INTO_CGROUP", "cgroups(7)", 6)
	}
	for _, k := range namespace.Kinds {
		if flags&k.Flag != 0 {
			line.Tell("  "+k.Name, k.Man, k.Step)
		}
	}
}

// start starts a process. The clone puts it into its cgroup of version 2, if there is one: see plan.into.
func start(process *process.Process, p *plan, streams [3]*os.File, extra []*os.File) error {
	if p.into {
		dir, err := p.cgroup.Open()
		if err != nil {
			return err
		}
		defer dir.Close()
		process.Into = dir
	}
	return process.Start(p.program, streams, extra)
}

// streams are the standard streams of a command without a terminal.
func (q *Request) streams() [3]*os.File {
	if q.Spec.Process.Terminal {
		return [3]*os.File{}
	}
	return q.Streams
}

// settle writes down who process 1 is, and puts it where only the host side can.
func (r *Run) settle(line *stage.Line, p *plan) {
	groups := p.cgroup
	line.Do("write(state.json)", "write(2)", 0, r.setPID)
	r.Limit(line, r.request.Spec.Process, p.inside.UserNamespace)
	if p.into {
		// Process 1 is there already, and waits. So the limits count from here on, as if it only joined now.
		r.limit(line, groups)
	}
	if groups.Unit == "" && groups.NeedsJoin() && r.Into == nil {
		line.Do(`write("cgroup.procs", pid)`, "cgroups(7)", 6, func() error { return groups.JoinRest(r.Process.PID) })
	}
}

// connect takes the terminal, and gives process 1 its orders if it has to wait for another word after them: that of Start.
func (r *Run) connect(line *stage.Line, p *plan) {
	if line.Err == nil && p.made.Master != -1 {
		r.Terminal, line.Err = terminal.Open(p.made.Master, r.Pidfd)
	}
	switch {
	case r.request.Held:
		line.Do("sendmsg(go on)", "unix(7)", 0, func() error { return r.Order(p.orderWith(p.made)) })
		line.Wait("recvmsg(end of file)", "unix(7)", r.awaitHeld)
		line.Do("write(state.json, created)", "write(2)", 0, func() error {
			r.State.Late = p.program.Late()
			return r.set(specs.StateCreated)
		})
	case r.request.Pauses:
		line.Do("sendmsg(go on)", "unix(7)", 0, func() error { return r.Order(p.orderWith(p.made)) })
		line.Wait("recvmsg(ready)", "unix(7)", r.WaitReady)
	}
}

// orderWith returns the orders with what has been made.
func (p *plan) orderWith(made *inside.Made) *become.Orders {
	o := &p.orders
	o.Command, o.Home, o.Null, o.Slave = made.Command, made.Home, made.Null, made.Slave
	return o
}

// limit writes the limits of the container.
func (r *Run) limit(line *stage.Line, groups *cgroup.Cgroup) {
	line.Do("write(limits)", "cgroups(7)", 6, func() error {
		if groups.NeedsJoin() && r.Into == nil {
			go cgroup.Warm()
		}
		return groups.Set(r.request.limits())
	})
}

// makeCgroups makes the cgroups. After a failure nothing of ours is left there, and everything else belongs to somebody else.
func (r *Run) makeCgroups(groups *cgroup.Cgroup) error {
	err := groups.Make()
	if err != nil {
		r.Cgroup = nil
	}
	return err
}

func (r *Run) awaitHeld() error {
	err := r.AwaitHeld()
	if err == nil && !r.isHeld() {
		return process.ErrGone
	}
	return err
}

// setPID writes down who process 1 is, before process 1 can do anything.
func (r *Run) setPID() error {
	r.Cgroup = r.plan.cgroup
	r.Pid = r.Process.PID
	r.Started, _ = alive.Started(r.Pid)
	if r.request.Started != nil {
		if err := r.request.Started(r.Pid); err != nil {
			return err
		}
	}
	if r.request.Held {
		return r.set(specs.StateCreating)
	}
	return r.set(specs.StateCreated)
}

// writeConfig keeps the configuration for exec, and for whoever removes the container.
func (r *Run) writeConfig() error {
	spec := r.request.Spec
	return r.write("config.json", struct {
		*specs.Spec
		Hooks map[string]hook.List `json:"hooks,omitempty"`
	}{spec, hook.Lists(spec.Hooks)})
}

// flagNames writes flags without the CLONE_ before each.
func flagNames(flags uintptr) string { return strings.ReplaceAll(namespace.Names(flags), "CLONE_", "") }
