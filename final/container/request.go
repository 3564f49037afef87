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

// A Request says what container to make.
type Request struct {
	ID   string
	Spec *specs.Spec
	// Root is the open root file system of Spec. Create closes it.
	Root rootfs.Root
	// Claim is called when nobody else can take the ID any more. It returns an error if something kept under this ID belongs to another
	// container. Nil means that nothing can be in the way.
	Claim func() error
	// Prepare makes what the engine keeps for the container, after Claim. Store.Release removes it. Nil makes nothing.
	Prepare func(line *stage.Line)
	// Mount returns a detached mount for the root directory. Nil clones Root.
	Mount func() (int, error)
	// Filter is the compiled seccomp profile of Spec. FilterFlags are its flags for seccomp(2).
	Filter      []unix.SockFilter
	FilterFlags uint
	// Bundle is the directory that the configuration comes from. It is empty for a configuration that an engine has made.
	Bundle string
	// Streams are the standard streams of the command, unless it has a terminal. Nil is /dev/null.
	Streams [3]*os.File
	// Size is the size of the terminal.
	Size *unix.Winsize
	// Plain says that the output of the terminal goes to a file or a pipe, where lines end with LF.
	Plain bool
	// Extra are open files that become the descriptors 3, 4, … of the command.
	Extra []*os.File
	// Detached says that the container outlives this process.
	Detached bool
	// Held says that the container outlives this process, and waits for Start.
	Held bool
	// SystemdCgroup has systemd make the cgroups.
	SystemdCgroup bool
	// NoPivot changes the root directory without pivot_root, which an initramfs cannot do. This is less secure.
	NoPivot bool
	// OldKeyring keeps the session keyring of the caller.
	OldKeyring bool
	// OwnCgroups says that nobody else looks at the cgroups of the container. So it joins only the cgroups that its limits need, and
	// removes them when the command ends.
	OwnCgroups bool
	// Init puts a small process 1 in front of the command, which reaps orphans.
	Init bool
	// Keep keeps the container after the end of its command, until delete.
	Keep bool
	// Explain asks for records of the kernel calls.
	Explain bool
	// Wait passes Signals on to the command. Nil if nobody calls Wait.
	Signals *terminal.Signals
}

// Check refuses a configuration that final cannot honour, and compiles its seccomp profile.
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

// OpenRootfs opens the root file system once, for everything that happens to it: its path may lead elsewhere a moment later. If the
// directory is missing or empty, the error says so, before a missing command confuses you.
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

// A plan is a request with everything looked up. Nothing has been made yet.
type plan struct {
	namespaces *namespace.Set
	cgroup     *cgroup.Cgroup
	agent      *notify.Agent
	// config is for the container side. files go with it, in the order of inside.Config.
	config inside.Config
	files  []*os.File
}

// newPlan refuses what cannot work, before anything is made. The caller closes the plan.
func newPlan(q *Request, warn func(string)) (_ *plan, err error) {
	spec := q.Spec
	if err := checkLabels(spec.Process); err != nil {
		return nil, err
	}
	capabilities, err := capability.FromSpec(spec.Process.Capabilities)
	if err != nil {
		// Unknown capabilities are left out, with a warning. config.md, capabilities
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
	// Other engines may look for the container in any tree: systemd does in the tree of version 2.
	return groups, err
}

// checkLabels refuses the labels of a security module that this kernel lacks.
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

// checkMounts refuses unknown options of mounts.
func checkMounts(mounts []specs.Mount) error {
	for i, m := range mounts {
		if _, err := rootfs.ParseOptions(m.Options); err != nil {
			return fmt.Errorf("mounts[%d].options: %w", i, err)
		}
	}
	return nil
}

// numbers are the descriptors of files.
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
