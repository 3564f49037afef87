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
