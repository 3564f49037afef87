//go:build linux

package inside

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/more/copyup"
	"container-workshop/final/rootfs"
)

// A Filesystem is a new file system for process 1 to make. It belongs to the namespaces of its maker: user, PID, network and IPC.
// fsopen(2), fsconfig(2)
type Filesystem struct {
	Type, Source string
	// Data are the options of the file system. See rootfs.CutOption.
	Data []string
	// Flags are the attributes of the mount. fsmount(2)
	Flags int
}

const noFiles = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC

// Proc shows the container's processes, and Empty hides what is masked.
var (
	Proc  = Filesystem{"proc", "proc", nil, noFiles}
	Empty = Filesystem{"tmpfs", "tmpfs", []string{"nr_blocks=1", "nr_inodes=1"}, noFiles | unix.MOUNT_ATTR_RDONLY}
)

// Filesystems are the mounts of new file systems, which process 1 has made and nobody has attached. Make closes them.
type Filesystems struct {
	// Proc is Proc, and Empty is Empty: -1 if nothing is masked.
	Proc, Empty int
	// Mounts are the others, by the index of the mount in the configuration.
	Mounts map[int]int
}

// NewFilesystem returns the new file system for a mount of the configuration. It is nil if the mount needs none, or only Proc. The label is
// for the files in it. unified says that the container sees a cgroup of version 2.
func NewFilesystem(m *specs.Mount, label string, unified bool) (*Filesystem, error) {
	options, err := rootfs.ParseOptions(m.Options)
	f := &Filesystem{m.Type, m.Source, slices.Clip(options.Data), options.Flags()}
	switch {
	case err != nil || options.Remount || options.Binds(m.Type):
		return nil, err
	case m.Type == "cgroup" || m.Type == "cgroup2":
		if unified {
			return nil, nil
		}
		// It holds a directory for each controller.
		return &Filesystem{"tmpfs", "tmpfs", []string{"mode=755"}, noFiles}, nil
	case m.Type == "proc":
		if len(options.Data) == 0 {
			return nil, nil
		}
		f.Source = "proc"
	case m.Type == "tmpfs":
		// Something may have to be made in it first.
		f.Flags &^= unix.MOUNT_ATTR_RDONLY
	}
	if f.Source == "" {
		f.Source = m.Type
	}
	if label != "" && (m.Type == "tmpfs" || m.Type == "devpts" || m.Type == "mqueue") {
		// mount(8), context=
		f.Data = append(f.Data, fmt.Sprintf("context=%q", label))
	}
	return f, nil
}

// mountNew attaches a new file system. A read-only tmpfs stays writable until everything that belongs into it is there.
func (c *container) mountNew(i int, m *specs.Mount, options *rootfs.Options) error {
	place, made, err := c.place(m, true)
	if err != nil {
		return err
	}
	defer unix.Close(place)
	mount := c.fresh.Mounts[i]
	if m.Type == "tmpfs" {
		if err := c.fill(mount, place, m, options, made); err != nil {
			return err
		}
	}
	if m.Type == "tmpfs" || m.Type == "ramfs" {
		// It ends with the container. Another file system may be on a disk, or the host's, as a devtmpfs is.
		if err := c.own.Add(mount); err != nil {
			return err
		}
	}
	return attach(mount, place, options)
}

// fill gives a tmpfs the mode, and perhaps the files, of the directory below it.
func (c *container) fill(mount, place int, m *specs.Mount, options *rootfs.Options, made bool) error {
	says := func(key string) bool {
		return slices.ContainsFunc(options.Data, func(word string) bool { return strings.HasPrefix(word, key+"=") })
	}
	if !made && !says("mode") {
		mode, err := rootfs.Mode(place)
		if err == nil {
			err = unix.Fchmodat(c.proc, fmt.Sprintf("self/fd/%d", mount), mode, 0)
		}
		if err != nil {
			return fmt.Errorf("take over the mode of the directory: %w", err)
		}
	}
	if options.CopyUp && !made {
		if err := c.copyUp(place, m.Destination, mount, says("mode") || says("uid") || says("gid")); err != nil {
			return err
		}
	}
	if options.Flags()&unix.MOUNT_ATTR_RDONLY == 0 {
		return nil
	}
	if c.HostMounts {
		// In a tree that is mounted nowhere it cannot be changed any more.
		return rootfs.Change(mount, unix.MOUNT_ATTR_RDONLY, 0, 0, false)
	}
	c.later = append(c.later, mount)
	return nil
}

// copyUp copies the files of a directory. Some calls need a path to a descriptor, so the thread goes to the host's /proc meanwhile.
func (c *container) copyUp(place int, name string, mount int, keep bool) error {
	if err := unix.Fchdir(c.proc); err != nil {
		return fmt.Errorf("change to the host's /proc: %w", err)
	}
	if err := (copyup.Copy{Proc: ".", IDs: c.IDs}).Up(place, name, mount, keep); err != nil {
		return err
	}
	return rootfs.EnterDetached(c.Root)
}

func attach(mount, place int, options *rootfs.Options) error {
	if options.Propagation != 0 {
		if err := rootfs.Change(mount, 0, 0, options.Propagation, options.PropagationAll); err != nil {
			return err
		}
	}
	return rootfs.Attach(mount, place)
}

// mountProc attaches Proc to a directory that is no symbolic link.
func (c *container) mountProc(m *specs.Mount, options *rootfs.Options) error {
	place, _, err := c.place(m, true)
	if err != nil {
		return err
	}
	defer unix.Close(place)
	mount := c.fresh.Proc
	if c.procs++; c.procs > 1 {
		// The first one is attached already, and would move.
		if mount, err = rootfs.Root(mount).Clone(".", false); err != nil {
			return err
		}
		defer unix.Close(mount)
	}
	if err := rootfs.Change(mount, options.Set, options.Clear, 0, false); err != nil {
		return err
	}
	return attach(mount, place, options)
}
