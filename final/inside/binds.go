//go:build linux

package inside

import (
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/rootfs"
	"container-workshop/final/stage"
)

// sources clones the sources of bind mounts that the host side has not cloned. This comes before the mounts become slaves of the
// host's: if the container mounts something in a shared mount, the host must see it.
//
// In a user namespace the clones keep the attributes of their sources locked, because they are made in its mount namespace.
// mount_namespaces(7), "Restrictions on mount namespaces"
func (c *container) sources(line *stage.Line) {
	if c.Clones == nil {
		c.Clones = map[int]int{}
	}
	for i, m := range c.Spec.Mounts {
		options, err := rootfs.ParseOptions(m.Options)
		if _, done := c.Clones[i]; done || err != nil || !options.Binds(m.Type) || slices.Contains(c.Inner, i) {
			continue
		}
		line.Do(fmt.Sprintf("open_tree(%q)", m.Source), "open_tree(2)", 0, func() error {
			clone, err := rootfs.Clone(m.Source, options.Recursive)
			if err != nil {
				return fmt.Errorf("mounts[%d]: %w", i, err)
			}
			c.Clones[i] = clone
			return nil
		})
	}
}

// bindInner binds a file or directory of the container's own tree. It sees the mounts that come before in the configuration.
func (c *container) bindInner(i int, m *specs.Mount, options *rootfs.Options) error {
	clone, err := c.tree.Clone(m.Source, options.Recursive)
	if err != nil {
		return err
	}
	c.Clones[i] = clone
	if options.IDMap || len(m.UIDMappings) > 0 {
		if err := c.MapMount(i, clone); err != nil {
			return err
		}
	}
	return c.bind(i, m, options)
}

// bind attaches a clone of a mount.
func (c *container) bind(i int, m *specs.Mount, options *rootfs.Options) error {
	clone := c.Clones[i]
	var stat unix.Stat_t
	if err := unix.Fstat(clone, &stat); err != nil {
		return fmt.Errorf("stat %s: %w", m.Source, err)
	}
	place, _, err := c.place(m, stat.Mode&unix.S_IFMT == unix.S_IFDIR)
	if err != nil {
		return err
	}
	defer unix.Close(place)
	clone = rootfs.Again(clone, options.Recursive)
	c.Clones[i] = clone
	if err := rootfs.Change(clone, options.SetAll, options.ClearAll, 0, true); err != nil {
		return err
	}
	err = changeBind(clone, options, c.UserNamespace)
	if c.Nested && errors.Is(err, unix.EPERM) {
		// The kernel locks the attributes of mounts that come from a more privileged mount namespace. They stay as they are, unless an option
		// asks for their opposite. Engines write rw for every volume that is not ro, so rw is no such option.
		// mount_namespaces(7), "Restrictions on mount namespaces"
		lenient := *options
		lenient.Clear &^= unix.MOUNT_ATTR_RDONLY
		err = changeBind(clone, &lenient, true)
	}
	if err != nil {
		return err
	}
	return attachClone(clone, place, options)
}

// changeBind gives a clone the attributes of the options. locked says that the attributes of the source are locked.
func changeBind(clone int, options *rootfs.Options, locked bool) error {
	has, err := uint64(0), error(nil)
	if locked {
		has, err = rootfs.Attributes(clone)
	}
	if err != nil {
		return err
	}
	set, clear, err := options.OfBind(has, locked)
	if err != nil {
		return err
	}
	return rootfs.Change(clone, set, clear, 0, false)
}

// attachClone attaches a clone. If no option says how mounts propagate, the clone is cut off from the host's.
func attachClone(clone, place int, options *rootfs.Options) error {
	o := rootfs.Options{Propagation: options.Propagation, PropagationAll: options.PropagationAll}
	if o.Propagation == 0 {
		o.Propagation, o.PropagationAll = unix.MS_PRIVATE, true
	}
	return attach(clone, place, &o)
}

// remount changes a mount that is there already.
func (c *container) remount(m *specs.Mount, options *rootfs.Options) error {
	place, err := c.tree.Open(m.Destination, unix.O_PATH, 0)
	if err != nil {
		return err
	}
	defer unix.Close(place)
	if err := c.allowed(place, m); err != nil {
		return err
	}
	if err := rootfs.Change(place, options.SetAll, options.ClearAll, 0, true); err != nil {
		return err
	}
	return rootfs.Change(place, options.Set, options.Clear, options.Propagation, false)
}

// mountCgroups shows the container its own cgroups and no others: one directory on version 2, one for each controller in a tmpfs on
// version 1. cgroups(7)
func (c *container) mountCgroups(i int, m *specs.Mount, options *rootfs.Options) error {
	if c.Await != nil && !c.awaited {
		if err := c.Await(); err != nil {
			return err
		}
	}
	c.awaited = true
	place, _, err := c.place(m, true)
	if err != nil {
		return err
	}
	defer unix.Close(place)
	if len(c.Cgroups) == 1 && c.Cgroups[0].Name == "" {
		return c.attachCgroup(0, place, options)
	}
	tmpfs := c.fresh.Mounts[i]
	if err := rootfs.Attach(tmpfs, place); err != nil {
		return err
	}
	below := rootfs.Root(tmpfs)
	for i, group := range c.Cgroups {
		dir, err := rootfs.Maker{Root: below}.Directory(group.Name, 0o755)
		if err != nil {
			return err
		}
		err = c.attachCgroup(i, dir, options)
		unix.Close(dir)
		if err != nil {
			return err
		}
	}
	for _, link := range c.Links {
		if err := below.MakeLink(link[1], path.Base(link[0])); err != nil {
			return err
		}
	}
	if c.HostMounts {
		// In a tree that is mounted nowhere only its root can be changed. The cgroups themselves are right already.
		return nil
	}
	return rootfs.Change(tmpfs, options.Set&unix.MOUNT_ATTR_RDONLY, 0, 0, false)
}

func (c *container) attachCgroup(i, place int, options *rootfs.Options) error {
	clone := rootfs.Again(c.Cgroups[i].Mount, options.Recursive)
	c.Cgroups[i].Mount = clone
	if err := rootfs.Change(clone, options.SetAll, options.ClearAll, 0, true); err != nil {
		return err
	}
	if err := rootfs.Change(clone, options.Set, options.Clear, 0, false); err != nil {
		return err
	}
	return attachClone(clone, place, options)
}
