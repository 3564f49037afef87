//go:build linux

package inside

import (
	"fmt"
	"path"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/rootfs"
	"container-workshop/final/stage"
)

// sources clones the sources of bind mounts that the host side has not cloned. This comes before the host's mounts become slaves: the
// host must see what the container mounts in a shared mount.
func (c *container) sources() []stage.Stage {
	var list []stage.Stage
	for i, m := range c.Mounts {
		options, err := rootfs.ParseOptions(m.Options)
		if _, done := c.clones[i]; done || err != nil || !options.Binds(m.Type) || slices.Contains(c.Inner, i) {
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

// bindInner binds what is in the container's own tree. Mounts that come before in the configuration are seen. Where IDs are mapped, the
// host side does that: we have no right to.
func (c *container) bindInner(i int, m specs.Mount, options *rootfs.Options) error {
	clone, err := c.tree.Clone(m.Source, options.Recursive)
	if err != nil {
		return err
	}
	if options.IDMap || len(m.UIDMappings) > 0 {
		if err := c.await(Report{Map: i + 1}, clone); err != nil {
			unix.Close(clone)
			return err
		}
	}
	return c.bind(clone, m, options)
}

// bind attaches a clone of a mount, which it closes.
func (c *container) bind(clone int, m specs.Mount, options *rootfs.Options) error {
	defer func() { unix.Close(clone) }()
	var stat unix.Stat_t
	if err := unix.Fstat(clone, &stat); err != nil {
		return fmt.Errorf("stat %s: %w", m.Source, err)
	}
	place, _, err := c.place(m, stat.Mode&unix.S_IFMT == unix.S_IFDIR)
	if err != nil {
		return err
	}
	defer unix.Close(place)
	has := uint64(0)
	if c.UserNamespace {
		if has, err = rootfs.Attributes(clone); err != nil {
			return err
		}
	}
	set, clear, err := options.OfBind(has, c.UserNamespace)
	if err != nil {
		return err
	}
	clone = rootfs.Again(clone, options.Recursive)
	return attachClone(clone, place, options, set, clear)
}

// attachClone gives a clone its attributes and attaches it. Without a word about propagation it has nothing to do with the host's any more.
func attachClone(clone, place int, options *rootfs.Options, set, clear uint64) error {
	propagation, all := options.Propagation, options.PropagationAll
	if propagation == 0 {
		propagation, all = unix.MS_PRIVATE, true
	}
	if err := rootfs.Change(clone, options.SetAll, options.ClearAll, 0, true); err != nil {
		return err
	}
	if err := rootfs.Change(clone, set, clear, 0, false); err != nil {
		return err
	}
	if err := rootfs.Change(clone, 0, 0, propagation, all); err != nil {
		return err
	}
	return rootfs.Attach(clone, place)
}

// remount changes what is mounted already.
func (c *container) remount(m specs.Mount, options *rootfs.Options) error {
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

// mountCgroups shows the container its own cgroups and no others: one directory on version 2, one for each controller in a
// tmpfs on version 1. cgroups(7)
func (c *container) mountCgroups(m specs.Mount, options *rootfs.Options) error {
	place, _, err := c.place(m, true)
	if err != nil {
		return err
	}
	defer unix.Close(place)
	if len(c.Cgroups) == 1 && c.Cgroups[0] == "" {
		return c.attachCgroup(0, place, options)
	}
	tmpfs, err := rootfs.MakeFilesystem("tmpfs", "tmpfs", []string{"mode=755"}, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(tmpfs)
	if err := rootfs.Attach(tmpfs, place); err != nil {
		return err
	}
	below := rootfs.Root(tmpfs)
	for i, name := range c.Cgroups {
		dir, err := below.Directory(name, 0o755)
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
	clone := rootfs.Again(c.cgroups[i], options.Recursive)
	defer unix.Close(clone)
	return attachClone(clone, place, options, options.Set, options.Clear)
}
