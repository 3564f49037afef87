//go:build linux

// Package inside runs on the host side, on a thread of its own that has entered the mount namespace of a new container. It makes the
// tree that the command sees, and finds the command. All decisions about the tree are made here: process 1 only makes a list of calls.
//
// Who starts it: the host side, by Enter, as soon as process 1 is in its new namespaces.
// Which process: a thread of the final that you started. Only its root directory, its mounts and the owner of the files that it makes
// are the container's. It stays in the host's PID namespace and keeps the rights of the host's root.
// What it sees: the host's tree, as a copy in the new mount namespace, until process 1 changes the root directory. Do not trust the
// container's tree: the thread resolves every path in it below a descriptor of the root directory. It executes no file of the container,
// so the container never gets hold of the host's program.
// How it ends: with the function that it runs. No other code of the host side runs on the thread before or after.
//
// A process that joins a container needs nothing to be mounted: Join stays in the host's mount namespace, and works below a descriptor of
// the container's root directory.
package inside

import (
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/command"
	"container-workshop/final/more/idmap"
	"container-workshop/final/rootfs"
)

// A Request says what to make in the mount namespace of a new container, or what to prepare for a process that joins a container.
// Join looks at Spec.Process, Root, UserNamespace, Size, Plain and Streams only.
type Request struct {
	// Spec is the configuration. The host side has translated the paths of the mounts.
	Spec *specs.Spec
	// Root is the detached mount for the root directory. For Join it is a descriptor of the container's root directory. It stays open.
	Root int
	// Clones are bind mounts that the host side has cloned, by the index of the mount. Make closes them.
	Clones map[int]int
	// Inner are the bind mounts, by index, whose source is a path below the root directory.
	Inner []int
	// Devices are the paths of devices on the host, by their paths in the container. A device that is missing here has the same path.
	Devices map[string]string
	// Cgroups are the cgroups that the container sees. Make closes their mounts.
	Cgroups []Cgroup
	// Links are symbolic links below /sys/fs/cgroup: name and target.
	Links [][2]string
	// HostMounts says that the container has no mount namespace, JoinedMounts that it joins an existing mount namespace, and UserNamespace
	// that it has another user namespace than we have.
	HostMounts, JoinedMounts, UserNamespace bool
	// Nested says that we are in a user namespace ourselves: see [namespace.Nested].
	Nested bool
	// NoPivot prepares a change of the root directory that works on an initramfs.
	NoPivot bool
	// IDs are the maps of the user namespace. Nil without a user namespace.
	IDs *idmap.IDs
	// Await waits until the host side has filled in Cgroups and Links. Nil if they are there from the beginning.
	Await func() error
	// MapMount maps the IDs of an inner bind mount, by the index of the mount.
	MapMount func(i, mount int) error
	// Filesystems waits for the new file systems, which process 1 makes in its namespaces.
	Filesystems func() (*Filesystems, error)
	// Mounted asks the host side for what it does when everything is mounted: its hooks, and network devices. The host side must do this on
	// another thread, whose mount namespace is the host's. Nil if there is nothing to do.
	Mounted func() error
	// Size is the size of the terminal.
	Size *unix.Winsize
	// Plain says that lines printed on the terminal end with LF, not with CR LF: no terminal shows them.
	Plain bool
	// Streams are the standard streams of the command, -1 for the container's /dev/null. Nobody looks at them if there is a terminal.
	Streams [3]int
}

// A Cgroup is a detached mount of one of the container's cgroups. The name is a path below /sys/fs/cgroup, and empty on version 2.
type Cgroup struct {
	Name  string
	Mount int
}

// Made is what process 1 needs to become the command.
type Made struct {
	// Master and Slave are the two ends of the terminal, -1 without a terminal.
	Master, Slave int
	// Null are the container's own /dev/null for the standard streams, -1 for a stream that stays as it is.
	Null [3]int
	// Command is the path to execute.
	Command string
	// Home is HOME=… if the environment has no HOME or an empty one, and "" otherwise.
	Home string
}

// Close closes what process 1 has got by now: all but the master of the terminal.
func (m *Made) Close() {
	for _, fd := range append(m.Null[:], m.Slave) {
		if fd != -1 {
			unix.Close(fd)
		}
	}
}

// A container is a container in the making, or one that a process joins.
type container struct {
	*Request
	// tree is the root directory of the container, and maker makes what is missing of paths in it.
	tree  rootfs.Root
	maker rootfs.Maker
	// own are the mounts in the tree that nobody else has.
	own rootfs.Own
	// proc is the host's /proc, and command where the command begins.
	proc    int
	command command.Place
	fresh   *Filesystems
	// procs is how often Proc has been attached.
	procs int
	// awaited says that Cgroups are there. Before that the host side may be writing to them.
	awaited bool
	// later are mounts that become read-only when everything is in them.
	later []int
	made  Made
}

func newContainer(q *Request) (*container, error) {
	proc, err := hostProc()
	if err != nil {
		return nil, err
	}
	c := &container{
		Request: q, tree: rootfs.Root(q.Root), proc: proc, fresh: &Filesystems{Proc: -1, Empty: -1},
		command: command.Place{Root: rootfs.Root(q.Root), Proc: proc, Cwd: q.Spec.Process.Cwd},
		made:    Made{Master: -1, Slave: -1, Null: [3]int{-1, -1, -1}},
	}
	c.maker = rootfs.Maker{Root: c.tree, May: q.IDs.MayMake}
	c.own, err = rootfs.NewOwn(c.maker)
	return c, err
}

// close closes the mounts that are the container's now, or nobody's after a failure.
func (c *container) close() {
	open := []int{c.fresh.Proc, c.fresh.Empty}
	if c.awaited {
		for _, group := range c.Cgroups {
			open = append(open, group.Mount)
		}
	}
	for _, mounts := range []map[int]int{c.Clones, c.fresh.Mounts} {
		for _, mount := range mounts {
			open = append(open, mount)
		}
	}
	for _, fd := range open {
		unix.Close(fd)
	}
}
