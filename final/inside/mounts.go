//go:build linux

package inside

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/rootfs"
	"container-workshop/final/stage"
)

// sources clones what is to be bound from the host and the host side has not cloned, before what we see of the host is a slave of it:
// what the container mounts in a shared one is to be seen by the host.
func (c *container) sources() []stage.Stage {
	var list []stage.Stage
	for i, m := range c.Mounts {
		options, err := rootfs.ParseOptions(m.Options)
		if _, done := c.clones[i]; done || err != nil || !options.Binds(m.Type) {
			continue
		}
		list = append(list, stage.Stage{Call: fmt.Sprintf("open_tree(%q)", m.Source), Man: "open_tree(2)", Do: func() (err error) {
			if c.clones[i], err = rootfs.Clone(m.Source, options.Recursive); err != nil {
				err = fmt.Errorf("mounts[%d]: %w", i, err)
			}
			return err
		}})
	}
	return list
}

// mounts mounts what the configuration lists, in its order.
func (c *container) mounts() ([]stage.Stage, error) {
	list := []stage.Stage{{Call: `fsopen("proc")`, Man: "fsopen(2)", Step: 5, Do: c.openProc}}
	for i, m := range c.Mounts {
		options, err := rootfs.ParseOptions(m.Options)
		if err != nil {
			return nil, fmt.Errorf("mounts[%d], %s: %w", i, m.Destination, err)
		}
		list = append(list, stage.Stage{Call: describe(m, &options), Man: manOf[m.Type], Step: stepOf(m), Do: func() error {
			err := c.mount(i, m, &options)
			if c.HostMounts && errors.Is(err, unix.EINVAL) {
				err = fmt.Errorf("%w (without a mount namespace it takes Linux 6.15 or later)", err)
			}
			if err != nil {
				return fmt.Errorf("mount %s on %s: %w", m.Type, m.Destination, err)
			}
			return nil
		}})
	}
	return list, nil
}

// openProc makes a proc that is attached nowhere yet, so that nothing can be mounted over its files. CVE-2025-52881
func (c *container) openProc() (err error) {
	c.proc, err = rootfs.Filesystem("proc", "proc", nil, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	return err
}

var manOf = map[string]string{"proc": "proc(5)", "tmpfs": "tmpfs(5)", "devpts": "pts(4)", "sysfs": "sysfs(5)", "mqueue": "mq_overview(7)", "cgroup": "cgroups(7)", "bind": "mount_namespaces(7)"}

func stepOf(m specs.Mount) int {
	switch {
	case m.Type == "proc":
		return 5
	case m.Type == "cgroup" || m.Type == "cgroup2":
		return 6
	case m.Type == "tmpfs" && !strings.HasPrefix(m.Destination, "/dev"):
		return 7
	}
	return 0
}

func describe(m specs.Mount, options *rootfs.Options) string {
	return fmt.Sprintf("mount(%q, %q, %s)", m.Type, m.Destination, options.String())
}

func (c *container) mount(i int, m specs.Mount, options *rootfs.Options) error {
	if err := c.allowed(m); err != nil {
		return err
	}
	switch clone, bound := c.clones[i]; {
	case options.Remount:
		return c.remount(m, options)
	case bound:
		return c.bind(clone, m, options)
	case m.Type == "cgroup" || m.Type == "cgroup2":
		return c.mountCgroups(m, options)
	case m.Type == "proc":
		return c.mountProc(m, options)
	}
	source := m.Source
	if source == "" {
		source = m.Type
	}
	return c.mountNew(m, source, options)
}

// remount changes what is mounted already.
func (c *container) remount(m specs.Mount, options *rootfs.Options) error {
	place, err := c.tree.Open(m.Destination, unix.O_PATH, 0)
	if err != nil {
		return err
	}
	defer unix.Close(place)
	if err := rootfs.Change(place, options.SetAll, options.ClearAll, 0, true); err != nil {
		return err
	}
	return rootfs.Change(place, options.Set, options.Clear, options.Propagation, false)
}

// mountNew mounts a new file system. A read-only tmpfs is empty as yet: it is made so when what belongs into it is there.
func (c *container) mountNew(m specs.Mount, source string, options *rootfs.Options) error {
	flags, data := options.Flags(), c.labelled(m.Type, options.Data)
	later := m.Type == "tmpfs" && flags&unix.MOUNT_ATTR_RDONLY != 0
	if later {
		flags &^= unix.MOUNT_ATTR_RDONLY
	}
	mount, err := rootfs.Filesystem(m.Type, source, data, flags)
	if err != nil {
		return err
	}
	if later && !c.HostMounts {
		c.later = append(c.later, mount)
	} else {
		defer unix.Close(mount)
	}
	if m.Type == "tmpfs" {
		if err := c.fill(mount, m.Destination, options); err != nil {
			return err
		}
	}
	if later && c.HostMounts {
		// In a tree that is mounted nowhere it cannot be changed any more.
		if err := rootfs.Change(mount, unix.MOUNT_ATTR_RDONLY, 0, 0, false); err != nil {
			return err
		}
	}
	return c.attach(mount, m.Destination, options)
}

// fill gives a tmpfs what the directory under it has: the mode, if no other is asked for, and with tmpcopyup all that is in it.
func (c *container) fill(mount int, destination string, options *rootfs.Options) error {
	said := slices.ContainsFunc(options.Data, func(word string) bool {
		return strings.HasPrefix(word, "mode=") || strings.HasPrefix(word, "uid=") || strings.HasPrefix(word, "gid=")
	})
	if !said {
		if err := rootfs.CopyMode(c.tree, destination, mount); err != nil {
			return err
		}
	}
	if !options.CopyUp {
		return nil
	}
	return rootfs.CopyUp(c.tree, destination, mount, said)
}

// labelled adds the label for what is in a file system. mount(8), context=
func (c *container) labelled(kind string, data []string) []string {
	if c.MountLabel == "" || kind != "tmpfs" && kind != "devpts" && kind != "mqueue" {
		return data
	}
	return append(slices.Clone(data), fmt.Sprintf("context=%q", c.MountLabel))
}

func (c *container) attach(mount int, destination string, options *rootfs.Options) error {
	if options.Propagation != 0 {
		if err := rootfs.Change(mount, 0, 0, options.Propagation, options.PropagationAll); err != nil {
			return err
		}
	}
	return c.tree.AttachAt(mount, destination)
}

// bind attaches a clone of a mount of the host. Without a word about propagation it has nothing to do with the host's any more.
func (c *container) bind(clone int, m specs.Mount, options *rootfs.Options) error {
	clone = rootfs.Again(clone, options.Recursive)
	defer unix.Close(clone)
	propagation, all := options.Propagation, options.PropagationAll
	if propagation == 0 {
		propagation, all = unix.MS_PRIVATE, true
	}
	if err := rootfs.Change(clone, options.SetAll, options.ClearAll, 0, true); err != nil {
		return err
	}
	if err := rootfs.Change(clone, options.Set, options.Clear, 0, false); err != nil {
		return err
	}
	if err := rootfs.Change(clone, 0, 0, propagation, all); err != nil {
		return err
	}
	return c.tree.AttachAt(clone, m.Destination)
}

// mountProc attaches a proc of its own to a directory that is no symbolic link: what trusts /proc is not to be led elsewhere.
func (c *container) mountProc(m specs.Mount, options *rootfs.Options) error {
	if len(options.Data) > 0 {
		mount, err := rootfs.Filesystem("proc", "proc", options.Data, options.Flags())
		if err != nil {
			return err
		}
		defer unix.Close(mount)
		return c.attach(mount, m.Destination, options)
	}
	if err := rootfs.Change(c.proc, options.Set, options.Clear, 0, false); err != nil {
		return err
	}
	return c.attach(c.proc, m.Destination, options)
}

// mountCgroups shows the container its own cgroups and no others: one directory on version 2, one for each controller in a
// tmpfs on version 1. cgroups(7)
func (c *container) mountCgroups(m specs.Mount, options *rootfs.Options) error {
	if len(c.Cgroups) == 1 && c.Cgroups[0] == "" {
		return c.bind(c.cgroups[0], m, options)
	}
	tmpfs, err := rootfs.Filesystem("tmpfs", "tmpfs", []string{"mode=755"}, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(tmpfs)
	if err := c.tree.AttachAt(tmpfs, m.Destination); err != nil {
		return err
	}
	for i, name := range c.Cgroups {
		below := specs.Mount{Destination: path.Join(m.Destination, name)}
		if err := c.bind(c.cgroups[i], below, options); err != nil {
			return err
		}
	}
	for _, link := range c.Links {
		if err := c.tree.MakeLink(link[1], path.Join(m.Destination, link[0])); err != nil {
			return err
		}
	}
	if c.HostMounts {
		// In a tree that is mounted nowhere only its root can be changed. The cgroups themselves are as they are to be.
		return nil
	}
	return rootfs.Change(tmpfs, options.Set&unix.MOUNT_ATTR_RDONLY, 0, 0, false)
}

// procFiles may be mounted over: they are those that tell of the machine, such as lxcfs has for a container.
var procFiles = []string{"cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg", "slabinfo"}

// allowed refuses a target that the rest of the start, or the kernel's files that the container is told to trust, depend on.
// CVE-2019-16884, CVE-2023-27561
func (c *container) allowed(m specs.Mount) error {
	if m.Type == "proc" || m.Type == "sysfs" {
		return c.tree.IsDirectory(m.Destination)
	}
	place, err := c.tree.Open(m.Destination, unix.O_PATH, 0)
	if err != nil {
		// What is not there yet is made.
		return nil
	}
	defer unix.Close(place)
	var fs unix.Statfs_t
	if err := unix.Fstatfs(place, &fs); err != nil || fs.Type != unix.PROC_SUPER_MAGIC {
		return err
	}
	dir, base := path.Split(path.Clean(m.Destination))
	for _, name := range procFiles {
		if dir == "/proc/" && base == name {
			return nil
		}
	}
	return errors.New("nothing can be mounted in /proc")
}
