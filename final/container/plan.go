//go:build linux

package container

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/become"
	"container-workshop/final/capability"
	"container-workshop/final/cgroup"
	"container-workshop/final/inside"
	"container-workshop/final/more/notify"
	"container-workshop/final/namespace"
	"container-workshop/final/process"
	"container-workshop/final/rootfs"
	"container-workshop/final/spec"
)

// A plan is a request with everything looked up. Nothing has been made yet.
type plan struct {
	namespaces *namespace.Set
	cgroup     *cgroup.Cgroup
	agent      *notify.Agent
	program    *become.Program
	// into says that the clone puts the process into its cgroup of version 2. If another process goes on in its place, that one is born
	// there, too. A move to this cgroup would wait for RCU: see cgroup.Warm.
	into bool
	// inside is what a thread of ours makes in the mount namespace of the container, and made is what it has made.
	inside inside.Request
	made   *inside.Made
	// orders go to process 1, together with the descriptors.
	orders become.Orders
	fds    []int
	// sealed is this program, for --init. It is nil without --init.
	sealed *os.File
}

// newPlan refuses what cannot work, before anything is made. The caller closes the plan.
func newPlan(q *Request, s *Store) (_ *plan, err error) {
	config := q.Spec
	if err := checkLabels(config.Process); err != nil {
		return nil, err
	}
	if err := checkMounts(config.Mounts); err != nil {
		return nil, err
	}
	groups, err := newCgroup(q, s.tell)
	if err != nil {
		return nil, err
	}
	p := &plan{cgroup: groups, agent: newAgent(q)}
	if p.namespaces, err = namespace.Open(config.Linux); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	command := become.Request{
		Config: config, Process: config.Process, Capabilities: capabilities(config.Process, s.warn), Filter: q.Filter, FilterFlags: q.FilterFlags,
		Namespaces: p.namespaces, Extra: len(q.Extra), Tasks: len(groups.Tasks()), Unified: groups.IsUnified(), MountLabel: config.Linux.MountLabel,
		Tied: !q.Detached && !q.Held, Held: q.Held, Pauses: q.Pauses, NoPivot: q.NoPivot, OldKeyring: q.OldKeyring, Explain: q.Explain,
	}
	if !selinux() {
		command.MountLabel = ""
	}
	if q.Init {
		if command.Init, err = process.Sealed(); err != nil {
			return nil, err
		}
		p.sealed = command.Init
	}
	p.into = intoCgroup(groups)
	p.planStreams(&command, q.Streams)
	if p.program, err = become.First(&command); err != nil {
		return nil, err
	}
	warnOf(p.program, s)
	p.planInside(q)
	return p, nil
}

// warnOf warns of what the command does not get.
func warnOf(p *become.Program, s *Store) {
	if p.Missing != 0 {
		s.warn(fmt.Sprintf("process.capabilities: left out, because final cannot give them: %s", p.Missing))
	}
	if len(p.Lowered) > 0 {
		s.asked(fmt.Sprintf("process.rlimits: lower than asked for, because only root of the host can raise a hard limit: %s (use sudo, or see ulimit -Ha)", strings.Join(p.Lowered, ", ")))
	}
}

// intoCgroup reports whether a clone can put a process into its cgroup of version 2. The process of a scope has to tell systemd.
func intoCgroup(groups *cgroup.Cgroup) bool { return groups.Unit == "" && groups.NeedsJoin() }

// Plan prints the system calls that process 1 of a container would make. It makes nothing and starts no process.
func (s *Store) Plan(q *Request, w io.Writer) error {
	defer q.Root.Close()
	p, err := newPlan(q, s)
	if err != nil {
		return err
	}
	defer p.close()
	p.program.Print(w)
	return nil
}

// capabilities are those of a configuration. Unknown ones are left out, with a warning. config.md, capabilities
func capabilities(process *specs.Process, warn func(string)) capability.Sets {
	sets, err := capability.FromSpec(process.Capabilities)
	if err != nil {
		warn(err.Error())
	}
	return sets
}

// planStreams says what happens to the standard streams of a command without a terminal. A stream that is the host's /dev/null becomes the
// container's: with an open file comes its node, and root in the container could change the mode and the owner of the host's. Files are
// the caller's, and so is a FIFO that has a name; a pipe is the command's.
func (p *plan) planStreams(command *become.Request, streams [3]*os.File) {
	p.inside.Streams = [3]int{-1, -1, -1}
	foreign := p.namespaces.HasUser() || namespace.Nested()
	for i, stream := range streams {
		if command.Process.Terminal {
			break
		}
		if stream == nil {
			// In a user namespace /dev/null is the host's, and belongs to nobody.
			command.Null[i] = !foreign
			continue
		}
		p.inside.Streams[i] = int(stream.Fd())
		command.Null[i] = rootfs.IsNull(int(stream.Fd())) && !foreign
		command.Give[i] = isPipe(int(stream.Fd()))
	}
}

// planInside says what a thread of ours makes in the mount namespace of the container.
func (p *plan) planInside(q *Request) {
	linux, in := q.Spec.Linux, &p.inside
	copied := *q.Spec
	// config.json keeps the paths as they were given.
	copied.Mounts = slices.Clone(copied.Mounts)
	in.Spec, in.Clones = &copied, map[int]int{}
	in.HostMounts = !spec.HasNamespace(linux.Namespaces, specs.MountNamespace)
	in.JoinedMounts = !in.HostMounts && !spec.MakesNamespace(linux.Namespaces, specs.MountNamespace)
	in.UserNamespace, in.Nested, in.NoPivot = p.namespaces.HasUser(), namespace.Nested(), q.NoPivot
	in.Devices = q.Devices
	in.Size, in.Plain = q.Size, q.Plain
	if in.Size == nil {
		in.Size = sizeOf(q.Spec.Process)
	}
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

// limits are the resources of the configuration. Rules for devices need a right that root in a user namespace does not have, and there only
// the host's device nodes are of use, whose permissions decide. bpf(2), mknod(2)
func (q *Request) limits() *specs.LinuxResources {
	resources := q.Spec.Linux.Resources
	if resources == nil || len(resources.Devices) == 0 || !namespace.Nested() {
		return resources
	}
	others := *resources
	others.Devices = nil
	return &others
}

func newCgroup(q *Request, tell func(string)) (*cgroup.Cgroup, error) {
	if q.NoCgroups {
		return cgroup.Without(), nil
	}
	path, resources := q.Spec.Linux.CgroupsPath, q.limits()
	if q.SystemdCgroup {
		return cgroup.NewSystemd(path, q.ID, resources)
	}
	if path == "" && q.Rootless {
		groups, refused, err := cgroup.Optional(q.ID, resources)
		if refused != nil {
			tell(fmt.Sprintf("no cgroups: %v (the container stays in yours, without limits of its own)", refused))
		}
		return groups, err
	}
	if path == "" {
		path = "/" + q.ID
	}
	groups, err := cgroup.New(path, resources)
	if err == nil && q.Lean {
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

// add adds a descriptor that the plan closes.
func (p *plan) add(fd int) int {
	p.fds = append(p.fds, fd)
	return fd
}

func (p *plan) close() {
	if p.made != nil {
		p.made.Close()
	}
	p.namespaces.Close()
	for _, fd := range p.fds {
		unix.Close(fd)
	}
	p.fds = nil
	p.sealed.Close()
}

// isPipe reports whether an open file is a pipe without a name. pipe(7)
func isPipe(fd int) bool {
	var stat unix.Stat_t
	var fs unix.Statfs_t
	return unix.Fstat(fd, &stat) == nil && stat.Mode&unix.S_IFMT == unix.S_IFIFO && unix.Fstatfs(fd, &fs) == nil && fs.Type == unix.PIPEFS_MAGIC
}
