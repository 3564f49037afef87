//go:build linux

package container

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"container-workshop/final/cgroup"
	"container-workshop/final/more/hook"
	"container-workshop/final/namespace"
	"container-workshop/final/process"
	"container-workshop/final/stage"
)

// create is the host side of the making of a container, in order.
func (r *Run) create() error {
	p, err := newPlan(r.request, r.store.warn)
	if err != nil {
		return err
	}
	defer p.close()
	defer r.request.Root.Close()
	// The state has it when the directory of the container is claimed.
	r.ID, r.Agent = r.request.ID, p.agent
	// The container side takes a while to start, so it comes first. What it does not need is done when it is at work.
	return r.List.Run(slices.Concat(r.cloning(p), r.making(p), r.connecting(p), r.holding())...)
}

// cloning starts the container side.
func (r *Run) cloning(p *plan) []stage.Stage {
	flags := p.namespaces.New
	list := []stage.Stage{{Call: "clone(" + flagNames(flags) + ")", Man: "clone(2)", Step: 1, Do: func() error { return r.clone(p) }}}
	for _, k := range namespace.Kinds {
		if flags&k.Flag != 0 {
			// There is nothing to do for one: clone has made them all.
			list = append(list, stage.Stage{Call: "  " + k.Name, Man: k.Man, Step: k.Step})
		}
	}
	return list
}

// making makes what is left to remove when the container ends.
func (r *Run) making(p *plan) []stage.Stage {
	list := []stage.Stage{
		{Call: fmt.Sprintf("mkdir(%q)", filepath.Join(r.store.Root, r.request.ID)), Man: "mkdir(2)", Do: func() error { return r.claim(p.cgroup) }},
		{Call: fmt.Sprintf("mkdir(%q)", p.cgroup.Dirs[0].Path), Man: "cgroups(7)", Step: 6, Do: func() error { return r.createCgroup(p.cgroup) }},
	}
	list = append(list, r.request.Prepare...)
	if r.request.Bundle != "" {
		// What is in the bundle from now on has no effect. runtime.md, "Lifecycle"
		list = append(list, stage.Stage{Call: "write(config.json)", Man: "write(2)", Do: r.writeConfig})
	}
	return list
}

// connecting tells the container side what to do, and waits until that is done.
func (r *Run) connecting(p *plan) []stage.Stage {
	var list []stage.Stage
	if p.cgroup.Unit != "" {
		// There is no scope without a process. Only now there are cgroups to show.
		list = append(list, stage.Stage{Call: fmt.Sprintf("StartTransientUnit(%s)", p.cgroup.Unit), Man: "systemd.scope(5)", Step: 6, Do: func() error {
			err := p.cgroup.Join(r.Process.PID)
			// What was planned does not know that the scope has been started.
			r.Cgroup = p.cgroup
			return err
		}})
	}
	limits := stage.Stage{Call: "write(limits)", Man: "cgroups(7)", Step: 6, Do: func() error {
		if p.cgroup.NeedsJoin() {
			go cgroup.Warm()
		}
		return p.cgroup.Set(r.request.Spec.Linux.Resources)
	}}
	list = append(list,
		stage.Stage{Call: "open_tree(rootfs, cgroups)", Man: "open_tree(2)", Step: 4, Do: func() error { return r.openAll(p) }},
		stage.Stage{Call: "sendmsg(config)", Man: "unix(7)", Do: func() error { return r.sendConfig(p) }},
	)
	if p.cgroup.Unit == "" {
		list = append(list, limits)
	}
	if p.config.HostHooks {
		list = append(list, stage.Stage{Call: "recvmsg(mounted)", Man: "unix(7)", Waiting: true, Do: r.WaitMounted})
		list = append(list, r.moving()...)
		if hasHostHooks(r.request.Spec.Hooks) {
			list = append(list, stage.Stage{Call: "execve(prestart and createRuntime hooks)", Man: "execve(2)", Do: r.createRuntime})
		}
		list = append(list, stage.Stage{Call: "sendmsg(hooks have been run)", Man: "unix(7)", Do: func() error { return r.Send(struct{}{}) }})
	}
	list = append(list, stage.Stage{Call: "recvmsg(ready)", Man: "unix(7)", Waiting: true, Do: r.WaitReady})
	list = append(list, r.Limiting(r.request.Spec.Process, p.config.UserNamespace)...)
	if p.cgroup.Unit != "" {
		// The container side is in its cgroup already.
		return append(list, limits)
	}
	if p.cgroup.NeedsJoin() {
		list = append(list, stage.Stage{Call: `write("cgroup.procs", pid)`, Man: "cgroups(7)", Step: 6, Do: func() error { return p.cgroup.JoinRest(r.Process.PID) }})
	}
	return list
}

// holding lets the container side go on to where it waits for Start.
func (r *Run) holding() []stage.Stage {
	if !r.request.Held {
		return nil
	}
	return []stage.Stage{
		{Call: "sendmsg(go on)", Man: "unix(7)", Waiting: true, Do: r.awaitHeld},
		{Call: "write(state.json, created)", Man: "write(2)", Do: func() error { return r.set(specs.StateCreated) }},
	}
}

// createCgroup makes the cgroups. If that fails nothing of ours is left of them, and what is in them is somebody else's.
func (r *Run) createCgroup(groups *cgroup.Cgroup) error {
	err := groups.Create()
	if err != nil {
		r.Cgroup = nil
	}
	return err
}

func (r *Run) awaitHeld() error {
	err := r.GoOn()
	if err == nil && !r.isHeld() {
		return process.ErrGone
	}
	return err
}

// sendConfig notes who process 1 is, before that can do anything.
func (r *Run) sendConfig(p *plan) error {
	r.Cgroup = p.cgroup
	r.Pid = r.Process.PID
	r.Started, _ = startTime(r.Pid)
	status := specs.StateCreated
	if r.request.Held {
		status = specs.StateCreating
	}
	if err := r.set(status); err != nil {
		return err
	}
	p.config.State = r.hookState(specs.StateCreated)
	return r.Send(&p.config, p.numbers()...)
}

// writeConfig leaves the configuration to those who join the container.
func (r *Run) writeConfig() error {
	spec := r.request.Spec
	return r.write("config.json", struct {
		*specs.Spec
		Hooks map[string]hook.List `json:"hooks,omitempty"`
	}{spec, hook.Lists(spec.Hooks)})
}

func flagNames(flags uintptr) string {
	var names []string
	for _, k := range namespace.Kinds {
		if flags&k.Flag != 0 {
			names = append(names, strings.TrimPrefix(k.Name, "CLONE_"))
		}
	}
	return strings.Join(names, "|")
}
