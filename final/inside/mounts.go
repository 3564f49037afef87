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

	"container-workshop/final/more/copyup"
	"container-workshop/final/rootfs"
	"container-workshop/final/stage"
)

// mounts mounts what the configuration lists, in its order.
func (c *container) mounts() ([]stage.Stage, error) {
	list := []stage.Stage{{Call: `fsopen("proc")`, Man: "fsopen(2)", Step: 5, Do: func() error { return c.openProc() }}}
	for i, m := range c.Mounts {
		options, err := rootfs.ParseOptions(m.Options)
		if err != nil {
			return nil, fmt.Errorf("mounts[%d], %s: %w", i, m.Destination, err)
		}
		list = append(list, stage.Stage{Call: describe(m, &options), Man: manOf[m.Type], Step: stepOf(m), Do: func() error {
			err := c.mount(i, m, &options)
			if c.HostMounts && errors.Is(err, unix.EINVAL) {
				err = fmt.Errorf("%w (without a mount namespace, mounts need Linux 6.15 or later)", err)
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
func (c *container) openProc(options ...string) (err error) {
	c.proc, err = rootfs.MakeFilesystem("proc", "proc", options, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
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
	switch clone, bound := c.clones[i]; {
	case options.Remount:
		return c.remount(m, options)
	case bound:
		return c.bind(clone, m, options)
	case slices.Contains(c.Inner, i):
		return c.bindInner(i, m, options)
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

// place opens what something is mounted on, once: the descriptor is checked, and mounted on. The path may lead elsewhere by then. It
// reports whether it has made the file or directory.
func (c *container) place(m specs.Mount, directory bool) (place int, made bool, err error) {
	if isKernels(m.Type) {
		// What trusts /proc is not to be led elsewhere. CVE-2019-19921
		place, err = c.tree.PlainDirectory(m.Destination)
		return place, false, err
	}
	place, made, err = c.tree.Place(m.Destination, directory)
	if err != nil {
		return -1, false, err
	}
	if err := c.allowed(place, m); err != nil {
		unix.Close(place)
		return -1, false, err
	}
	return place, made, nil
}

// isKernels reports whether files of a type of file system are the kernel's, which others trust.
func isKernels(kind string) bool { return kind == "proc" || kind == "sysfs" }

// procFiles may be mounted over: they are those that tell of the machine, such as lxcfs has for a container.
var procFiles = []string{"cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg", "slabinfo"}

// allowed refuses a place that the rest of the start, or the kernel's files that the container is told to trust, depend on.
// CVE-2019-16884, CVE-2023-27561
func (c *container) allowed(place int, m specs.Mount) error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(place, &fs); err != nil || fs.Type != unix.PROC_SUPER_MAGIC || isKernels(m.Type) {
		return err
	}
	dir, base := path.Split(path.Clean("/" + m.Destination))
	// A path says only where to look. The place itself has to be one of these files.
	if slices.Contains(procFiles, base) && c.tree.IsInProc(place, dir, base) {
		return nil
	}
	return errors.New("nothing can be mounted in /proc")
}

// mountNew mounts a new file system. A read-only tmpfs is empty as yet: it is made so when what belongs into it is there.
func (c *container) mountNew(m specs.Mount, source string, options *rootfs.Options) error {
	place, made, err := c.place(m, true)
	if err != nil {
		return err
	}
	defer unix.Close(place)
	flags, data := options.Flags(), c.labelled(m.Type, options.Data)
	said := slices.ContainsFunc(data, func(word string) bool { return strings.HasPrefix(word, "mode=") })
	if m.Type == "tmpfs" && !made && !said {
		// It takes after the directory under it.
		mode, err := rootfs.Mode(place)
		if err != nil {
			return err
		}
		data = append(slices.Clip(data), fmt.Sprintf("mode=%o", mode))
	}
	later := m.Type == "tmpfs" && flags&unix.MOUNT_ATTR_RDONLY != 0
	if later {
		flags &^= unix.MOUNT_ATTR_RDONLY
	}
	mount, err := rootfs.MakeFilesystem(m.Type, source, data, flags)
	if err != nil {
		return err
	}
	if later && !c.HostMounts {
		c.later = append(c.later, mount)
	} else {
		defer unix.Close(mount)
	}
	if m.Type == "tmpfs" && options.CopyUp && !made {
		if err := copyup.CopyUp(place, m.Destination, mount, said || ownerSaid(data)); err != nil {
			return err
		}
	}
	if later && c.HostMounts {
		// In a tree that is mounted nowhere it cannot be changed any more.
		if err := rootfs.Change(mount, unix.MOUNT_ATTR_RDONLY, 0, 0, false); err != nil {
			return err
		}
	}
	if m.Type == "tmpfs" || m.Type == "ramfs" {
		// It ends with the container. What is in another one may be on a disk, or as with devtmpfs the host's.
		if err := c.own.Add(mount); err != nil {
			return err
		}
	}
	return c.attach(mount, place, options)
}

// ownerSaid reports whether an option of a tmpfs says whose it is.
func ownerSaid(data []string) bool {
	return slices.ContainsFunc(data, func(word string) bool { return strings.HasPrefix(word, "uid=") || strings.HasPrefix(word, "gid=") })
}

// labelled adds the label for what is in a file system. mount(8), context=
func (c *container) labelled(kind string, data []string) []string {
	if c.MountLabel == "" || kind != "tmpfs" && kind != "devpts" && kind != "mqueue" {
		return data
	}
	return append(slices.Clone(data), fmt.Sprintf("context=%q", c.MountLabel))
}

func (c *container) attach(mount, place int, options *rootfs.Options) error {
	if options.Propagation != 0 {
		if err := rootfs.Change(mount, 0, 0, options.Propagation, options.PropagationAll); err != nil {
			return err
		}
	}
	return rootfs.Attach(mount, place)
}

// mountProc attaches a proc of its own to a directory that is no symbolic link.
func (c *container) mountProc(m specs.Mount, options *rootfs.Options) error {
	place, _, err := c.place(m, true)
	if err != nil {
		return err
	}
	defer unix.Close(place)
	if len(options.Data) > 0 {
		mount, err := rootfs.MakeFilesystem("proc", "proc", options.Data, options.Flags())
		if err != nil {
			return err
		}
		defer unix.Close(mount)
		return c.attach(mount, place, options)
	}
	if err := rootfs.Change(c.proc, options.Set, options.Clear, 0, false); err != nil {
		return err
	}
	return c.attach(c.proc, place, options)
}
