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
	"container-workshop/final/seccomp"
	"container-workshop/final/spec"
	"container-workshop/final/stage"
	"container-workshop/final/terminal"
)

// A Request is what a container is made from.
type Request struct {
	ID   string
	Spec *specs.Spec
	// Root is the root file system of Spec, open. Create closes it.
	Root rootfs.Root
	// Claim is called when the container has its ID, and nobody else can take it. What is kept under this ID may belong to somebody else:
	// then Claim returns an error, and nothing is made. Nil is never an error.
	Claim func() error
	// Prepare makes what the caller keeps for the container, when it has been claimed. Store.Release removes it. Nil makes nothing.
	Prepare func(line *stage.Line)
	// Mount returns a mount for the root directory, which is attached nowhere. Nil is a clone of Root.
	Mount func() (int, error)
	// Filter is the compiled seccomp profile of Spec, and FilterFlags go with it.
	Filter      []unix.SockFilter
	FilterFlags uint
	// Bundle is the directory of the configuration, if there is one.
	Bundle string
	// Streams are the standard streams of the command, unless it has a terminal. Nil is /dev/null.
	Streams [3]*os.File
	// Size is that of the terminal.
	Size *unix.Winsize
	// Plain says that what is printed there goes to a file or a pipe, where lines end with LF.
	Plain bool
	// Extra are descriptors that the command gets from 3 on.
	Extra []*os.File
	// Detached says that the container is to outlive us.
	Detached bool
	// Held says that it is to outlive us, too, and to wait for Start. Its standard streams are Streams.
	Held bool
	// SystemdCgroup asks systemd for the cgroup.
	SystemdCgroup bool
	// NoPivot changes the root directory in a way that is not safe, for a host whose own is an initramfs.
	NoPivot bool
	// OldKeyring leaves the container the session keyring of the caller.
	OldKeyring bool
	// OwnCgroups says that nobody else looks at the cgroups of the container: it joins only those that its limits need, and they go when
	// its command ends.
	OwnCgroups bool
	// Init says that process 1 waits for orphans, and starts the command.
	Init bool
	// Keep says that the container stays when its command ends.
	Keep bool
	// Explain asks for records of what is done.
	Explain bool
	// Signals are passed on to the command by Wait. Nil if nobody calls that.
	Signals *terminal.Signals
}

// Check refuses a configuration that cannot be honoured, and compiles its seccomp profile.
func (q *Request) Check() (err error) {
	if err := spec.Validate(q.Spec); err != nil {
		return err
	}
	profile := q.Spec.Linux.Seccomp
	if profile == nil {
		return nil
	}
	if q.FilterFlags, err = seccomp.Flags(profile); err != nil {
		return err
	}
	q.Filter, err = seccomp.Compile(profile)
	return err
}

// OpenRootfs opens the root file system, once for all that is done with it: its path may lead elsewhere a moment later. It tells a
// missing root file system from a missing command.
func OpenRootfs(dir string) (rootfs.Root, error) {
	root, err := rootfs.OpenRoot(dir)
	if err == nil && root.IsEmpty() {
		root.Close()
		err = fmt.Errorf("%s is empty", dir)
	}
	if err != nil {
		return -1, fmt.Errorf("no root file system: %w (create one: make rootfs)", err)
	}
	return root, nil
}

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
