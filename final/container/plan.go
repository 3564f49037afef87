//go:build linux

package container

import (
	"errors"
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/capability"
	"container-workshop/final/cgroup"
	"container-workshop/final/inside"
	"container-workshop/final/namespace"
	"container-workshop/final/oci"
	"container-workshop/final/rootfs"
)

// A plan is what a request comes to. Nothing has been made for it yet.
type plan struct {
	// flags are those of clone.
	flags  uintptr
	cgroup *cgroup.Cgroup
	// config is what the container side is told.
	config inside.Config
}

// newPlan refuses what cannot be done, before anything is made.
func newPlan(q *Request) (*plan, error) {
	spec := q.Spec
	flags, err := namespace.CloneFlags(spec.Linux.Namespaces)
	if err != nil {
		return nil, err
	}
	capabilities, err := capability.FromSpec(spec.Process.Capabilities)
	if err != nil {
		return nil, err
	}
	if err := checkMounts(spec.Mounts); err != nil {
		return nil, err
	}
	path := spec.Linux.CgroupsPath
	if path == "" {
		path = "/" + q.ID
	}
	groups, err := cgroup.New(path, spec.Linux.Resources)
	if err != nil {
		return nil, err
	}
	p := &plan{flags: flags, cgroup: groups}
	p.config.SetContainer(spec)
	p.config.SetProcess(spec.Process)
	p.config.Capabilities, p.config.Filter, p.config.FilterFlags = capabilities, q.Filter, q.FilterFlags
	p.config.Overlay, p.config.Init = spec.Annotations[oci.AnnotationOverlay], spec.Annotations[oci.AnnotationInit] == "true"
	p.config.Tied, p.config.Explain, p.config.Size = !q.Detached, q.Explain, q.Size
	if size := spec.Process.ConsoleSize; size != nil && q.Size == nil {
		p.config.Size = &unix.Winsize{Row: uint16(size.Height), Col: uint16(size.Width)}
	}
	p.showCgroups()
	return p, nil
}

// showCgroups tells the container side of the cgroups: those to join, and what is to be seen of them.
func (p *plan) showCgroups() {
	p.config.Tasks = p.cgroup.Tasks()
	for _, m := range p.cgroup.Mounts() {
		if m.Link != "" {
			p.config.Links = append(p.config.Links, [2]string{m.Name, m.Link})
		} else {
			p.config.Cgroups = append(p.config.Cgroups, inside.Cgroup{Name: m.Name, Dir: m.Source})
		}
	}
}

// checkMounts refuses options of mounts that nobody knows, before anything is made.
func checkMounts(mounts []specs.Mount) error {
	for i, m := range mounts {
		options, err := rootfs.ParseOptions(m.Options)
		if err == nil && options.CopyUp {
			err = errors.New("tmpcopyup: not supported")
		}
		if err != nil {
			return fmt.Errorf("mounts[%d].options: %w", i, err)
		}
	}
	return nil
}
