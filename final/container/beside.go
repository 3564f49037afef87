//go:build linux

package container

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"

	"container-workshop/final/cgroup"
	"container-workshop/final/process"
	"container-workshop/final/stage"
)

// A beside is a thread of ours that makes what must go from the host when the container ends: state, cgroups with their limits, and files.
// It works beside the clone, and beside the thread in the mount namespace of the container.
type beside struct {
	list stage.List
	// started is closed when process 1 is there, or when it cannot be made.
	started chan struct{}
	// made gets the end of making cgroups, if the clone waits for them. claimed gets the end of the claim, cgroups that of all work for
	// others on the cgroups, and done that of all.
	made, claimed, cgroups, done chan error
}

func (r *Run) newBeside() *beside {
	return &beside{
		list:    stage.List{Side: "state", Explain: r.List.Explain},
		started: make(chan struct{}),
		made:    make(chan error, 1), claimed: make(chan error, 1), cgroups: make(chan error, 1), done: make(chan error, 1),
	}
}

// work is what the thread does.
func (b *beside) work(r *Run, p *plan) {
	line := b.list.Line()
	line.Do(fmt.Sprintf("mkdir(%q)", filepath.Join(r.store.Root, r.request.ID)), "mkdir(2)", 0, func() error { return r.claim(p.cgroup) })
	if p.into {
		r.mkdirCgroups(line, p)
		b.made <- line.Err
	}
	if r.request.Prepare != nil {
		r.request.Prepare(line)
	}
	b.claimed <- line.Err
	r.cgroups(line, p, b)
	b.cgroups <- line.Err
	r.files(line, p)
	r.network(line, b)
	b.done <- line.Err
}

// network has the engine connect the network namespace of process 1.
func (r *Run) network(line *stage.Line, b *beside) {
	if r.request.Network == nil {
		return
	}
	var namespace *os.File
	line.Do("open(net)", "network_namespaces(7)", 0, func() (err error) {
		<-b.started
		if r.Process.PID == 0 {
			return process.ErrGone
		}
		// Process 1 is our child, and nobody has waited for it: so no other process has its PID.
		namespace, err = os.Open(fmt.Sprintf("/proc/%d/ns/net", r.Process.PID))
		return err
	})
	r.request.Network(line, namespace)
	namespace.Close()
}

// cgroups makes the cgroups, and opens what others need of them.
func (r *Run) cgroups(line *stage.Line, p *plan, b *beside) {
	groups := p.cgroup
	if groups.Mode != cgroup.None && !p.into {
		r.mkdirCgroups(line, p)
	}
	if groups.Unit != "" {
		// systemd makes a scope around a process.
		<-b.started
		line.Do(fmt.Sprintf("StartTransientUnit(%s)", groups.Unit), "systemd.scope(5)", 6, func() error {
			err := groups.Join(r.Process.PID)
			// The planned cgroup does not know that the scope has started.
			r.Cgroup = groups
			return err
		})
	}
	line.Do("open_tree(cgroups)", "open_tree(2)", 6, func() error { return cmp.Or(r.openCgroups(p), p.openTasks(groups.Tasks())) })
}

func (r *Run) mkdirCgroups(line *stage.Line, p *plan) {
	line.Do(fmt.Sprintf("mkdir(%q)", p.cgroup.Dirs[0].Path), "cgroups(7)", 6, func() error { return r.makeCgroups(p.cgroup) })
}

// files writes the limits of the container, and what others may want to know of it.
func (r *Run) files(line *stage.Line, p *plan) {
	if p.cgroup.Mode != cgroup.None && !p.into {
		r.limit(line, p.cgroup)
	}
	if r.request.Bundle != "" {
		// From now on, changes to the bundle have no effect. runtime.md, "Lifecycle"
		line.Do("write(config.json)", "write(2)", 0, r.writeConfig)
	}
	if r.request.Held {
		line.Do("bind(start)", "unix(7)", 0, func() error { return r.openHeld(p) })
	}
}
