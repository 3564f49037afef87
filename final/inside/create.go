//go:build linux

package inside

import (
	"fmt"
	"path"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/more/hook"
	"container-workshop/final/more/nopivot"
	"container-workshop/final/rootfs"
	"container-workshop/final/stage"
)

// create makes the container around us, in the order of the steps where it is free to.
func (c *container) create() error {
	// What we make has the mode that we ask for.
	unix.Umask(0)
	for _, stages := range []func() ([]stage.Stage, error){
		// What is mounted goes into the tree of the container, by descriptors; a path is one of the host's until pivot.
		c.attachRoot, c.hostnames, c.loopback, c.mounts, c.devices, c.hooks, c.pivot,
		// From here on every path is one of the container.
		c.sysctls, c.labels, c.openTerminal, c.restrict, c.propagate, c.prepareCommand,
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

// attachRoot mounts the root file system where it is on the host, or where it is out of our sight on the root directory.
func (c *container) attachRoot() ([]stage.Stage, error) {
	list := c.sources()
	if c.HostMounts {
		return append(list, stage.Stage{Call: "fchdir(rootfs)", Man: "chdir(2)", Step: 4, Do: func() error {
			return c.enter(rootfs.EnterDetached)
		}}), nil
	}
	if c.JoinedMounts {
		// Those who are there already have their root directory below it. It stays there as long as the namespace does.
		return append(list, stage.Stage{Call: `move_mount(rootfs, "/")`, Man: "move_mount(2)", Step: 4, Do: func() error {
			return c.enter(func(root int) error { return rootfs.Enter(root, "/") })
		}}), nil
	}
	list = append(list,
		stage.Stage{Call: `mount("/", MS_SLAVE)`, Man: "mount_namespaces(7)", Step: 5, Do: rootfs.ForgetHost},
		stage.Stage{Call: fmt.Sprintf("move_mount(rootfs, %q)", c.Root), Man: "move_mount(2)", Step: 4, Do: func() error {
			return c.enter(func(root int) error { return rootfs.Enter(root, c.Root) })
		}},
	)
	if c.Init {
		list = append(list, stage.Stage{Call: `open("/proc/self/exe", O_PATH)`, Man: "open(2)", Do: func() (err error) {
			c.self, err = unix.Open("/proc/self/exe", unix.O_PATH|unix.O_CLOEXEC, 0)
			return err
		}})
	}
	return list, nil
}

// enter makes the mount for the root directory our tree.
func (c *container) enter(how func(root int) error) (err error) {
	c.tree = rootfs.Root(c.root)
	if c.own, err = rootfs.NewOwn(c.tree); err != nil {
		return err
	}
	return how(c.root)
}

// hooks are run when all is there to look at, by the host side and by us, and the host's programs are in sight. config.md, Hooks
func (c *container) hooks() ([]stage.Stage, error) {
	var list []stage.Stage
	if c.HostHooks {
		list = append(list, stage.Stage{Call: "recvmsg(hooks have been run)", Man: "unix(7)", Waiting: true, Do: func() error { return c.await(Report{Mounted: true}) }})
	}
	if len(c.CreateContainer) > 0 {
		list = append(list, stage.Stage{Call: "execve(createContainer hooks)", Man: "execve(2)", Do: func() error {
			// They start in the root directory of the container to be, where we are.
			return hook.Run("createContainer", c.CreateContainer, c.State, hook.Place{Env: decode(c.HookEnv), Tied: true})
		}})
	}
	return list, nil
}

// pivot changes the root directory. What was bound from the host has been cloned before, as there is no way to it afterwards.
func (c *container) pivot() ([]stage.Stage, error) {
	list := []stage.Stage{
		{Call: `pivot_root(".", ".")`, Man: "pivot_root(2)", Step: 4, Do: rootfs.Pivot},
		{Call: `umount2(".", MNT_DETACH)`, Man: "umount2(2)", Step: 4, Do: rootfs.DetachOldRoot},
	}
	if c.HostMounts || c.JoinedMounts {
		// The root directory of others is not ours to change.
		list = []stage.Stage{{Call: `chroot(".")`, Man: "chroot(2)", Step: 4, Do: rootfs.ChangeRoot}}
	} else if c.NoPivot {
		list = []stage.Stage{{Call: `chroot(".")`, Man: "chroot(2)", Step: 4, Do: func() error { return nopivot.MoveRoot(c.root, c.proc) }}}
	}
	return list, nil
}

// propagate says whether what is mounted in the root directory is seen elsewhere. It comes after the last bind mount, as of a mount
// that is unbindable there are none. config-linux.md, "Rootfs Mount Propagation"
func (c *container) propagate() ([]stage.Stage, error) {
	options, err := rootfs.ParseOptions([]string{c.RootfsPropagation})
	if err != nil || options.Propagation == 0 {
		return nil, err
	}
	return []stage.Stage{{Call: fmt.Sprintf("mount_setattr(%q, %s)", "/", c.RootfsPropagation), Man: "mount_namespaces(7)", Do: func() error {
		return rootfs.Change(int(c.tree), 0, 0, options.Propagation, options.PropagationAll)
	}}}, nil
}

// hostnames are what the container calls itself, in its UTS namespace.
func (c *container) hostnames() ([]stage.Stage, error) {
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
	return list, nil
}

// devices are made in the container's /dev, which is a tmpfs as a rule. In a /dev that is a volume, by its place or by a link of the
// image, nothing is made: whoever mounts a volume there has to put devices into it. mknod(2)
func (c *container) devices() ([]stage.Stage, error) {
	make, call := c.own.MakeDevice, "mknod"
	if c.UserNamespace {
		// Nobody but the host's root makes devices. user_namespaces(7)
		make, call = c.own.BindDevice, "move_mount"
	}
	list := []stage.Stage{}
	if own, err := c.own.Has("/dev"); err != nil || !own {
		return list, err
	}
	list = append(list, stage.Stage{Call: call + "(null, zero, full, random, urandom, tty)", Man: "mknod(2)", Do: func() error {
		for _, d := range rootfs.Devices {
			if slices.ContainsFunc(c.Devices, func(other specs.LinuxDevice) bool { return path.Clean(other.Path) == d.Path }) {
				// It is said how it is to be.
				continue
			}
			if err := make(d); err != nil {
				return err
			}
		}
		for _, l := range rootfs.Links {
			if err := c.own.MakeLink(l[0], l[1]); err != nil {
				return err
			}
		}
		return nil
	}})
	for _, d := range c.Devices {
		if rootfs.IsOwn(d.Path) {
			continue
		}
		list = append(list, stage.Stage{Call: fmt.Sprintf("%s(%q)", call, d.Path), Man: "mknod(2)", Do: func() error { return make(d) }})
	}
	return list, nil
}

// restrict takes away what the kernel shows to everyone. It comes after the mounts that it is about.
func (c *container) restrict() ([]stage.Stage, error) {
	list := []stage.Stage{{Call: "mount_setattr(tmpfs, MOUNT_ATTR_RDONLY)", Man: "mount_setattr(2)", Do: c.finish}}
	if len(c.later) == 0 {
		list = nil
	}
	if c.Readonly {
		list = append(list, stage.Stage{Call: fmt.Sprintf("mkdir(%q)", c.Cwd), Man: "mkdir(2)", Do: func() error {
			// If it cannot be made, chdir says so.
			if dir, err := c.tree.Directory(c.Cwd, 0o755); err == nil {
				unix.Close(dir)
			}
			return nil
		}})
	}
	seal := rootfs.NewSeal(c.tree)
	for _, name := range c.ReadonlyPaths {
		list = append(list, stage.Stage{Call: fmt.Sprintf("mount_setattr(%q, MOUNT_ATTR_RDONLY)", name), Man: "mount_setattr(2)", Do: func() error { return seal.MakeReadOnly(name) }})
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

// finish makes those mounts read-only in which something had to be made first.
func (c *container) finish() error {
	for _, mount := range c.later {
		if err := rootfs.Change(mount, unix.MOUNT_ATTR_RDONLY, 0, 0, false); err != nil {
			return err
		}
		unix.Close(mount)
	}
	return nil
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
