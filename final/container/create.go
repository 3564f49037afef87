//go:build linux

package container

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"container-workshop/final/cgroup"
	"container-workshop/final/more/hook"
	"container-workshop/final/namespace"
	"container-workshop/final/process"
	"container-workshop/final/stage"
)

// make is the host side of making a container. The calls stand in the order in which they are made.
func (r *Run) make() error {
	p, err := newPlan(r.request, r.store.warn)
	if err != nil {
		return err
	}
	defer p.close()
	defer r.request.Root.Close()
	// The state gets these when claim takes the ID.
	r.ID, r.Agent = r.request.ID, p.agent

	line := r.List.Line()
	// The container side takes a millisecond to start, so start it first, and use the time.
	line.Do("clone("+flagNames(p.namespaces.New)+")", "clone(2)", 1, func() error { return r.clone(p) })
	for _, k := range namespace.Kinds {
		if p.namespaces.New&k.Flag != 0 {
			line.Tell("  "+k.Name, k.Man, k.Step)
		}
	}
	r.claimAll(line, p)
	r.connect(line, p)
	if r.request.Held {
		// The container side goes on, to the point where it waits for Start.
		line.Wait("sendmsg(go on)", "unix(7)", r.awaitHeld)
		line.Do("write(state.json, created)", "write(2)", 0, func() error { return r.set(specs.StateCreated) })
	}
	return line.Err
}

// claimAll makes everything on the host that must go when the container ends.
func (r *Run) claimAll(line *stage.Line, p *plan) {
	line.Do(fmt.Sprintf("mkdir(%q)", filepath.Join(r.store.Root, r.request.ID)), "mkdir(2)", 0, func() error { return r.claim(p.cgroup) })
	line.Do(fmt.Sprintf("mkdir(%q)", p.cgroup.Dirs[0].Path), "cgroups(7)", 6, func() error { return r.makeCgroups(p.cgroup) })
	if r.request.Prepare != nil {
		r.request.Prepare(line)
	}
	if r.request.Bundle != "" {
		// From now on, changes to the bundle have no effect. runtime.md, "Lifecycle"
		line.Do("write(config.json)", "write(2)", 0, r.writeConfig)
	}
}

// connect sends the container side its orders, and waits until it is ready to become the command.
func (r *Run) connect(line *stage.Line, p *plan) {
	groups, isUnit := p.cgroup, p.cgroup.Unit != ""
	if isUnit {
		// systemd makes a scope around a process, so the cgroups exist only from here on.
		line.Do(fmt.Sprintf("StartTransientUnit(%s)", groups.Unit), "systemd.scope(5)", 6, func() error {
			err := groups.Join(r.Process.PID)
			// The planned cgroup does not know that the scope has started.
			r.Cgroup = groups
			return err
		})
	}
	line.Do("open_tree(rootfs, cgroups)", "open_tree(2)", 4, func() error { return r.openAll(p) })
	line.Do("sendmsg(config)", "unix(7)", 0, func() error { return r.sendConfig(p) })
	if !isUnit {
		r.limit(line, groups)
	}
	if p.config.HostHooks {
		line.Wait("recvmsg(mounted)", "unix(7)", r.WaitMounted)
		r.moveDevices(line)
		if hasHostHooks(r.request.Spec.Hooks) {
			line.Do("execve(prestart and createRuntime hooks)", "execve(2)", 0, r.createRuntime)
		}
		line.Do("sendmsg(hooks have been run)", "unix(7)", 0, func() error { return r.Send(struct{}{}) })
	}
	line.Wait("recvmsg(ready)", "unix(7)", r.WaitReady)
	r.Limit(line, r.request.Spec.Process, p.config.UserNamespace)
	switch {
	case isUnit:
		// systemd has put the container side into the cgroup already.
		r.limit(line, groups)
	case groups.NeedsJoin():
		line.Do(`write("cgroup.procs", pid)`, "cgroups(7)", 6, func() error { return groups.JoinRest(r.Process.PID) })
	}
}

// limit writes the limits of the container.
func (r *Run) limit(line *stage.Line, groups *cgroup.Cgroup) {
	line.Do("write(limits)", "cgroups(7)", 6, func() error {
		if groups.NeedsJoin() {
			go cgroup.Warm()
		}
		return groups.Set(r.request.Spec.Linux.Resources)
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
	err := r.GoOn()
	if err == nil && !r.isHeld() {
		return process.ErrGone
	}
	return err
}

// sendConfig writes down who process 1 is, before process 1 can do anything.
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

// writeConfig keeps the configuration for exec, and for whoever removes the container.
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
