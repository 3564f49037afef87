//go:build linux

package inside

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/more/nopivot"
	"container-workshop/final/rootfs"
	"container-workshop/final/stage"
)

// Make makes the tree of a new container, in the order of the steps where the order is free. Call it by Enter. Afterwards process 1 only
// has to change its root directory.
func Make(line *stage.Line, q *Request) (*Made, error) {
	c, err := newContainer(q)
	if err != nil {
		return nil, err
	}
	defer c.close()
	c.sources(line)
	c.attachRoot(line)
	line.Wait("recvmsg(new file systems)", "unix(7)", func() error {
		fresh, err := q.Filesystems()
		if err == nil {
			c.fresh = fresh
		}
		return err
	})
	c.mounts(line)
	c.devices(line)
	if q.Mounted != nil {
		// Hooks have everything to look at when they run, and the host's programs are still in sight. config.md, Hooks
		line.Wait("hooks and network devices of the host side", "config.md", q.Mounted)
	}
	if q.NoPivot && !q.HostMounts && !q.JoinedMounts {
		line.Do(`move_mount(".", "/")`, "move_mount(2)", 4, func() error { return nopivot.MoveRoot(q.Root, c.proc) })
	}
	c.openTerminal(line)
	if q.Spec.Process.Terminal {
		line.Do(`move_mount(terminal, "/dev/console")`, "move_mount(2)", 0, c.bindConsole)
	}
	c.restrict(line)
	c.prepareCommand(line)
	return &c.made, line.Err
}

// Join prepares a process that joins a running container: its terminal or its streams, its HOME and its command. For a user namespace call
// it by Enter, with -1 for the process: a terminal belongs to the user who opens it.
func Join(line *stage.Line, q *Request) (*Made, error) {
	c, err := newContainer(q)
	if err != nil {
		return nil, err
	}
	if cwd := q.Spec.Process.Cwd; c.command.Misses(cwd) {
		// A running container keeps its directories as they are. Callers look for these words.
		return nil, fmt.Errorf("working directory: chdir to cwd (%q): %w", cwd, unix.ENOENT)
	}
	c.openTerminal(line)
	c.prepareCommand(line)
	return &c.made, line.Err
}

// attachRoot mounts the root file system where it is on the host. If that place is not in sight, it goes on top of the root directory.
func (c *container) attachRoot(line *stage.Line) {
	switch {
	case c.HostMounts:
		line.Do("fchdir(rootfs)", "chdir(2)", 4, func() error { return rootfs.EnterDetached(c.Root) })
	case c.JoinedMounts:
		// Processes that are in the namespace already have their root directory below it. It stays there as long as the namespace does.
		line.Do(`move_mount(rootfs, "/")`, "move_mount(2)", 4, func() error { return rootfs.Enter(c.Root, "/") })
	default:
		dir := c.Spec.Root.Path
		line.Do(`mount("/", MS_SLAVE)`, "mount_namespaces(7)", 5, rootfs.ForgetHost)
		line.Do(fmt.Sprintf("move_mount(rootfs, %q)", dir), "move_mount(2)", 4, func() error { return rootfs.Enter(c.Root, dir) })
	}
}

// devices makes the devices in the container's /dev, which usually is a tmpfs. If /dev is a volume, by its place or by a link of the image,
// nothing is made: whoever mounts a volume there has to put devices into it. mknod(2)
func (c *container) devices(line *stage.Line) {
	if line.Err != nil {
		return
	}
	make, call := c.own.MakeDevice, "mknod"
	if c.UserNamespace {
		// A node that is made in a user namespace is of no use. user_namespaces(7)
		make, call = c.bindDevice, "move_mount"
	}
	make = c.orBind(make)
	own, err := c.own.Has("/dev")
	if err != nil || !own {
		line.Err = err
		return
	}
	line.Do(call+"(null, zero, full, random, urandom, tty)", "mknod(2)", 0, func() error {
		for _, d := range rootfs.Devices {
			if slices.ContainsFunc(c.Spec.Linux.Devices, func(other specs.LinuxDevice) bool { return path.Clean(other.Path) == d.Path }) {
				// The configuration says how to make it.
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
	})
	for _, d := range c.Spec.Linux.Devices {
		if !rootfs.IsOwn(d.Path) {
			line.Do(fmt.Sprintf("%s(%q)", call, d.Path), "mknod(2)", 0, func() error { return make(d) })
		}
	}
}

// orBind shows the host's node of a device where the kernel refuses a new node: final itself is root only in a user namespace.
func (c *container) orBind(make func(specs.LinuxDevice) error) func(specs.LinuxDevice) error {
	return func(d specs.LinuxDevice) error {
		err := make(d)
		if errors.Is(err, unix.EPERM) {
			return c.bindDevice(d)
		}
		return err
	}
}

func (c *container) bindDevice(d specs.LinuxDevice) error {
	return c.own.BindDevice(d, cmp.Or(c.Devices[d.Path], d.Path))
}

// restrict takes away what the kernel shows to everyone. It comes after the mounts that it changes.
func (c *container) restrict(line *stage.Line) {
	linux := c.Spec.Linux
	if len(c.later) > 0 {
		line.Do("mount_setattr(tmpfs, MOUNT_ATTR_RDONLY)", "mount_setattr(2)", 0, func() (err error) {
			for _, mount := range c.later {
				err = errors.Join(err, rootfs.Change(mount, unix.MOUNT_ATTR_RDONLY, 0, 0, false))
			}
			return err
		})
	}
	if c.Spec.Root.Readonly {
		c.makeCwd(line)
	}
	seal := rootfs.NewSeal(c.tree)
	for _, name := range linux.ReadonlyPaths {
		line.Do(fmt.Sprintf("mount_setattr(%q, MOUNT_ATTR_RDONLY)", name), "mount_setattr(2)", 0, func() error { return seal.MakeReadOnly(name) })
	}
	if len(linux.MaskedPaths) > 0 {
		line.Do(fmt.Sprintf("move_mount(empty, %s, ...)", linux.MaskedPaths[0]), "move_mount(2)", 0, func() error {
			return rootfs.HidePaths(c.tree, c.fresh.Empty, linux.MaskedPaths)
		})
	}
	if !c.Spec.Root.Readonly {
		c.makeCwd(line)
		return
	}
	line.Do(`mount_setattr("/", MOUNT_ATTR_RDONLY)`, "mount_setattr(2)", 0, func() error {
		return rootfs.Change(c.Root, unix.MOUNT_ATTR_RDONLY, 0, 0, false)
	})
}

// makeCwd makes the working directory if it is missing.
func (c *container) makeCwd(line *stage.Line) {
	cwd := c.Spec.Process.Cwd
	if line.Err != nil || !c.command.Misses(cwd) {
		return
	}
	line.Do(fmt.Sprintf("mkdir(%q)", cwd), "mkdir(2)", 0, func() error {
		dir, err := c.maker.Directory(cwd, 0o755)
		if err != nil {
			return fmt.Errorf("working directory %s: %w", cwd, err)
		}
		return unix.Close(dir)
	})
}
