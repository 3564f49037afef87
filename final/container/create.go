//go:build linux

package container

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"container-workshop/final/cgroup"
	"container-workshop/final/namespace"
	"container-workshop/final/rootfs"
	"container-workshop/final/stage"
)

// create is the host side of the making of a container, in order.
func (r *Run) create(root string) error {
	p, err := newPlan(r.request)
	if err != nil {
		return err
	}
	r.Overlay = p.config.Overlay
	if r.request.Detached && r.Overlay != "" {
		r.Log = filepath.Join(r.Overlay, "log")
	}
	// The container side takes a while to start, so it comes first. What it does not need is done when it is at work.
	first := slices.Concat(r.cloning(p), r.making(root, p))
	if r.request.Detached {
		// But it is born with its log open.
		first = slices.Concat(r.making(root, p), r.cloning(p))
	}
	return r.List.Run(slices.Concat(first, r.connecting(p))...)
}

// cloning starts the container side.
func (r *Run) cloning(p *plan) []stage.Stage {
	list := []stage.Stage{{Call: "clone(" + flagNames(p.flags) + ")", Man: "clone(2)", Step: 1, Do: func() error { return r.clone(p.flags) }}}
	for _, k := range namespace.Kinds {
		if p.flags&k.Flag != 0 {
			// There is nothing to do for one: clone has made them all.
			list = append(list, stage.Stage{Call: "  " + k.Name, Man: k.Man, Step: k.Step})
		}
	}
	return list
}

// making makes what is left to remove when the container ends.
func (r *Run) making(root string, p *plan) []stage.Stage {
	return []stage.Stage{
		{Call: fmt.Sprintf("mkdir(%q)", filepath.Join(root, r.request.ID)), Man: "mkdir(2)", Do: func() error { return r.claim(root, p.cgroup) }},
		{Call: fmt.Sprintf("mkdir(%q)", p.cgroup.Dirs[0].Path), Man: "cgroups(7)", Step: 6, Do: p.cgroup.Create},
		{Call: fmt.Sprintf("mkdir(%q)", r.Overlay), Man: "mkdir(2)", Do: r.makeOverlay},
	}
}

// connecting tells the container side what to do, and waits until that is done.
func (r *Run) connecting(p *plan) []stage.Stage {
	list := []stage.Stage{
		{Call: "sendmsg(config)", Man: "unix(7)", Do: func() error { return r.sendConfig(p) }},
		{Call: "write(limits)", Man: "cgroups(7)", Step: 6, Do: func() error {
			if p.cgroup.NeedsJoin() {
				go cgroup.Warm()
			}
			return p.cgroup.Set(r.request.Spec.Linux.Resources)
		}},
		{Call: "recvmsg(ready)", Man: "unix(7)", Waiting: true, Do: r.waitReady},
	}
	if p.cgroup.NeedsJoin() {
		list = append(list, stage.Stage{Call: `write("cgroup.procs", pid)`, Man: "cgroups(7)", Step: 6, Do: func() error { return p.cgroup.Join(r.pid) }})
	}
	return list
}

func (r *Run) makeOverlay() error {
	if r.Overlay == "" {
		return nil
	}
	if err := rootfs.MakeOverlayDir(r.request.Spec.Root.Path, r.Overlay); err != nil {
		return err
	}
	// Where the state is, for who comes with the same ID and another --root.
	return os.WriteFile(filepath.Join(r.Overlay, "root"), []byte(filepath.Dir(r.dir)), 0o600)
}

func (r *Run) sendConfig(p *plan) error {
	r.Cgroup = p.cgroup
	r.Pid = r.pid
	r.Started, _ = startTime(r.Pid)
	if err := r.set(specs.StateCreated); err != nil {
		return err
	}
	return r.send(&p.config)
}

// writeConfig leaves the configuration to those who join the container.
func (r *Run) writeConfig() error {
	content, err := json.Marshal(r.request.Spec)
	if err != nil {
		return fmt.Errorf("encode the configuration: %w", err)
	}
	return os.WriteFile(filepath.Join(r.dir, "config.json"), content, 0o600)
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
