//go:build linux

package container

import (
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

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
	// Started learns the PID of process 1 before process 1 can do anything. Nil does not want to know.
	Started func(pid int) error
	// Network connects the network namespace of process 1 with others. Store.Unplug undoes that. Nil connects nothing.
	Network func(line *stage.Line, namespace *os.File)
	// Mount returns a detached mount for the root directory. mapIDs maps the IDs of a mount as the user namespace of the container does. It
	// is nil if the container has none. Without Mount, the root directory is a clone of Root.
	Mount func(mapIDs func(mount int) error) (int, error)
	// Devices are the paths of devices on the host, by their paths in the container. A device of Spec that is missing here has the same path.
	// Only a container in a user namespace needs the host's device nodes.
	Devices map[string]string
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
	// Pauses says that the caller has something to do when the container is made, and before its command runs: between Create and Start.
	Pauses bool
	// Detached says that the container outlives this process.
	Detached bool
	// Held says that the container outlives this process, and waits for Start.
	Held bool
	// SystemdCgroup has systemd make the cgroups.
	SystemdCgroup bool
	// Rootless says that the caller is an ordinary user, who may have no right to make cgroups: see [cgroup.Optional].
	Rootless bool
	// NoPivot changes the root directory without pivot_root, which an initramfs cannot do. This is less secure.
	NoPivot bool
	// OldKeyring keeps the session keyring of the caller.
	OldKeyring bool
	// OwnCgroups says that nobody else looks at the cgroups of the container. So final removes them when the command ends.
	OwnCgroups bool
	// Lean says that the container cannot mount cgroups, so it joins only those that its limits need: see [cgroup.Cgroup.Lean].
	Lean bool
	// NoCgroups makes no cgroups, because the host gives the user none.
	NoCgroups bool
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
