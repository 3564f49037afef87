//go:build linux

package container

import (
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/capability"
	"container-workshop/final/cgroup"
	"container-workshop/final/inside"
	"container-workshop/final/more/notify"
	"container-workshop/final/namespace"
	"container-workshop/final/rootfs"
)

// A plan is what a request comes to. Nothing has been made for it yet.
type plan struct {
	namespaces *namespace.Set
	cgroup     *cgroup.Cgroup
	agent      *notify.Agent
	// config is what the container side is told, and files are what goes with it.
	config inside.Config
	files  []*os.File
}

// newPlan refuses what cannot be done, before anything is made. It has to be closed.
func newPlan(q *Request, warn func(string)) (_ *plan, err error) {
	spec := q.Spec
	if err := checkLabels(spec.Process); err != nil {
		return nil, err
	}
	capabilities, err := capability.FromSpec(spec.Process.Capabilities)
	if err != nil {
		// It leaves out what nobody knows. config.md, capabilities
		warn(err.Error())
	}
	if err := checkMounts(spec.Mounts); err != nil {
		return nil, err
	}
	groups, err := newCgroup(q)
	if err != nil {
		return nil, err
	}
	p := &plan{cgroup: groups, agent: newAgent(q)}
	if p.namespaces, err = namespace.Open(spec.Linux); err != nil {
		return nil, err
	}
	c := &p.config
	c.SetContainer(spec)
	c.SetProcess(spec.Process)
	if !selinux() {
		c.MountLabel = ""
	}
	c.Capabilities, c.Filter, c.FilterFlags = capabilities, q.Filter, q.FilterFlags
	c.Init = q.Init
	c.Tied, c.Held = !q.Detached && !q.Held, q.Held
	c.NoPivot, c.OldKeyring, c.Explain, c.Size, c.Plain = q.NoPivot, q.OldKeyring, q.Explain, q.Size, q.Plain
	c.UserNamespace = p.namespaces.HasUser()
	c.HostHooks = hasHostHooks(spec.Hooks) || len(spec.Linux.NetDevices) > 0
	if c.Size == nil {
		c.Size = sizeOf(spec.Process)
	}
	return p, nil
}

func newAgent(q *Request) *notify.Agent {
	if q.FilterFlags&unix.SECCOMP_FILTER_FLAG_NEW_LISTENER == 0 {
		return nil
	}
	return &notify.Agent{
		Profile: q.Spec.Linux.Seccomp,
		State:   specs.State{Version: specs.Version, ID: q.ID, Status: specs.StateCreating, Bundle: q.Bundle, Annotations: q.Spec.Annotations},
	}
}

func newCgroup(q *Request) (*cgroup.Cgroup, error) {
	path, resources := q.Spec.Linux.CgroupsPath, q.Spec.Linux.Resources
	if q.SystemdCgroup {
		return cgroup.NewSystemd(path, q.ID, resources)
	}
	if path == "" {
		path = "/" + q.ID
	}
	groups, err := cgroup.New(path, resources)
	if err == nil && q.OwnCgroups {
		return groups.Lean(), nil
	}
	// An engine may look for the container in any tree, as systemd does in the tree of version 2.
	return groups, err
}

// checkLabels refuses those of what this kernel has not.
func checkLabels(process *specs.Process) error {
	if profile := process.ApparmorProfile; profile != "" && profile != "unconfined" && !apparmor() {
		return fmt.Errorf("process.apparmorProfile: %q: the kernel has no AppArmor, or it is off (leave the field out)", profile)
	}
	if label := process.SelinuxLabel; label != "" && !selinux() {
		return fmt.Errorf("process.selinuxLabel: %q: the kernel has no SELinux, or it is off (leave the field out)", label)
	}
	return nil
}

func apparmor() bool {
	enabled, _ := os.ReadFile("/sys/module/apparmor/parameters/enabled")
	return len(enabled) > 0 && enabled[0] == 'Y'
}

func selinux() bool {
	_, err := os.Stat("/sys/fs/selinux/enforce")
	return err == nil
}

// checkMounts refuses options of mounts that nobody knows, before anything is made.
func checkMounts(mounts []specs.Mount) error {
	for i, m := range mounts {
		if _, err := rootfs.ParseOptions(m.Options); err != nil {
			return fmt.Errorf("mounts[%d].options: %w", i, err)
		}
	}
	return nil
}

// numbers are the descriptors to send.
func (p *plan) numbers() []int {
	numbers := make([]int, len(p.files))
	for i, file := range p.files {
		numbers[i] = int(file.Fd())
	}
	return numbers
}

func (p *plan) close() {
	p.namespaces.Close()
	for _, file := range p.files {
		file.Close()
	}
}
