//go:build linux

package inside

import (
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/network"
	"container-workshop/final/rootfs"
	"container-workshop/final/stage"
)

// create makes the container around us, in the order of the steps where it is free to.
func (c *container) create() error {
	// What we make has the mode that we ask for.
	unix.Umask(0)
	for _, stages := range []func() ([]stage.Stage, error){
		// The host's tree is in sight until its end.
		c.root,
		// From here on every path is one of the container.
		c.names, c.mounts, c.devices, c.kernel, c.restrict, c.openTerminal, c.process,
	} {
		list, err := stages()
		if err != nil {
			return err
		}
		if err := c.list.Run(list...); err != nil {
			return err
		}
	}
	return nil
}

// root changes the root directory. What is bound from the host is cloned before, as there is no way to it afterwards.
func (c *container) root() ([]stage.Stage, error) {
	root := -1
	source := c.Root
	list := []stage.Stage{
		{Call: `mount("/", MS_SLAVE)`, Man: "mount_namespaces(7)", Step: 5, Do: rootfs.ForgetHost},
	}
	if c.Overlay != "" {
		list = append(list, stage.Stage{Call: fmt.Sprintf(`fsopen("overlay", lowerdir=%s)`, source), Man: "fsopen(2)", Do: func() (err error) {
			root, err = rootfs.Overlay(source, c.Overlay)
			return err
		}})
	} else {
		list = append(list, stage.Stage{Call: fmt.Sprintf("open_tree(%q)", source), Man: "open_tree(2)", Do: func() (err error) {
			root, err = rootfs.Clone(source, true)
			return err
		}})
	}
	if c.Init {
		list = append(list, stage.Stage{Call: `open("/proc/self/exe", O_PATH)`, Man: "open(2)", Do: func() (err error) {
			c.self, err = unix.Open("/proc/self/exe", unix.O_PATH|unix.O_CLOEXEC, 0)
			return err
		}})
	}
	list = append(list, c.openTasks()...)
	list = append(list, c.sources()...)
	return append(list,
		stage.Stage{Call: `move_mount(rootfs, "/")`, Man: "move_mount(2)", Step: 4, Do: func() error { return rootfs.Enter(root) }},
		stage.Stage{Call: `pivot_root(".", ".")`, Man: "pivot_root(2)", Step: 4, Do: rootfs.Pivot},
		stage.Stage{Call: `umount2(".", MNT_DETACH)`, Man: "umount2(2)", Step: 4, Do: func() error {
			c.tree = rootfs.Root(root)
			return rootfs.DetachOldRoot()
		}},
	), nil
}

// names are what the container calls itself, in its UTS namespace, and its own network.
func (c *container) names() ([]stage.Stage, error) {
	var list []stage.Stage
	if name := c.Hostname; name != "" {
		list = append(list, stage.Stage{Call: fmt.Sprintf("sethostname(%q)", name), Man: "sethostname(2)", Step: 2, Do: func() error {
			if err := unix.Sethostname([]byte(name)); err != nil {
				return fmt.Errorf("set hostname %q (at most 64 bytes): %w", name, err)
			}
			return nil
		}})
	}
	if name := c.Domainname; name != "" {
		list = append(list, stage.Stage{Call: fmt.Sprintf("setdomainname(%q)", name), Man: "setdomainname(2)", Do: func() error {
			if err := unix.Setdomainname([]byte(name)); err != nil {
				return fmt.Errorf("set domainname %q (at most 64 bytes): %w", name, err)
			}
			return nil
		}})
	}
	if c.NetworkNamespace {
		list = append(list, stage.Stage{Call: `ioctl(SIOCSIFFLAGS, "lo", IFF_UP)`, Man: "netdevice(7)", Do: network.LoopbackUp})
	}
	return list, nil
}

// devices are made in the container's /dev, which is a tmpfs as a rule. mknod(2)
func (c *container) devices() ([]stage.Stage, error) {
	list := []stage.Stage{{Call: "mknod(null, zero, full, random, urandom, tty)", Man: "mknod(2)", Do: func() error {
		for _, d := range rootfs.Devices {
			if err := c.tree.MakeDevice(d); err != nil {
				return err
			}
		}
		for _, l := range rootfs.Links {
			if err := c.tree.MakeLink(l[0], l[1]); err != nil {
				return err
			}
		}
		return nil
	}}}
	for _, d := range c.Devices {
		if slices.ContainsFunc(rootfs.Devices, func(own specs.LinuxDevice) bool { return own.Path == d.Path }) {
			continue
		}
		list = append(list, stage.Stage{Call: fmt.Sprintf("mknod(%q)", d.Path), Man: "mknod(2)", Do: func() error { return c.tree.MakeDevice(d) }})
	}
	return list, nil
}

// restrict takes away what the kernel shows to everyone. It comes after the mounts that it is about.
func (c *container) restrict() ([]stage.Stage, error) {
	var list []stage.Stage
	for _, name := range c.ReadonlyPaths {
		list = append(list, stage.Stage{Call: fmt.Sprintf("mount_setattr(%q, MOUNT_ATTR_RDONLY)", name), Man: "mount_setattr(2)", Do: func() error { return c.tree.MakeReadOnly(name) }})
	}
	if len(c.MaskedPaths) > 0 {
		list = append(list, stage.Stage{Call: fmt.Sprintf("move_mount(empty, %s, ...)", c.MaskedPaths[0]), Man: "move_mount(2)", Do: c.hide})
	}
	if c.Readonly {
		list = append(list, stage.Stage{Call: `mount_setattr("/", MOUNT_ATTR_RDONLY)`, Man: "mount_setattr(2)", Do: func() error {
			return rootfs.Change(int(c.tree), unix.MOUNT_ATTR_RDONLY, 0, 0, false)
		}})
	}
	return list, nil
}

func (c *container) hide() error {
	mask, err := rootfs.NewMask(c.tree)
	if err != nil {
		return err
	}
	defer mask.Close()
	for _, name := range c.MaskedPaths {
		if err := mask.Hide(name); err != nil {
			return err
		}
	}
	return nil
}
