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

// mounts mounts what the configuration lists, in its order.
func (c *container) mounts(line *stage.Line) {
	for i := range c.Spec.Mounts {
		m := &c.Spec.Mounts[i]
		options, err := rootfs.ParseOptions(m.Options)
		if err != nil {
			line.Do("mount", "mount(2)", 0, func() error { return fmt.Errorf("mounts[%d], %s: %w", i, m.Destination, err) })
			return
		}
		line.Do(fmt.Sprintf("mount(%q, %q, %s)", m.Type, m.Destination, options.String()), manOf(m.Type), stepOf(m), func() error {
			err := c.mount(i, m, &options)
			if c.HostMounts && errors.Is(err, unix.EINVAL) {
				err = fmt.Errorf("%w (without a mount namespace, mounts need Linux 6.15 or later)", err)
			}
			if err != nil {
				return fmt.Errorf("mount %s on %s: %w", m.Type, m.Destination, err)
			}
			return nil
		})
	}
}

func manOf(kind string) string {
	switch kind {
	case "proc", "tmpfs", "sysfs":
		return kind + "(5)"
	case "devpts":
		return "pts(4)"
	case "mqueue":
		return "mq_overview(7)"
	case "cgroup":
		return "cgroups(7)"
	case "bind":
		return "mount_namespaces(7)"
	}
	return ""
}

func stepOf(m *specs.Mount) int {
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

func (c *container) mount(i int, m *specs.Mount, options *rootfs.Options) error {
	_, bound := c.Clones[i]
	switch {
	case options.Remount:
		return c.remount(m, options)
	case slices.Contains(c.Inner, i):
		return c.bindInner(i, m, options)
	case bound:
		return c.bind(i, m, options)
	case m.Type == "cgroup" || m.Type == "cgroup2":
		return c.mountCgroups(i, m, options)
	case m.Type == "proc" && len(options.Data) == 0:
		return c.mountProc(m, options)
	}
	return c.mountNew(i, m, options)
}

// place opens the file or directory to mount on, once. Check the descriptor, and mount on the descriptor: the path can lead elsewhere a
// moment later. It reports whether it has made the file or directory.
func (c *container) place(m *specs.Mount, directory bool) (place int, made bool, err error) {
	if isKernels(m.Type) {
		// Programs trust the files in /proc and /sys, so no link may lead elsewhere. CVE-2019-19921
		place, err = c.maker.PlainDirectory(m.Destination)
		return place, false, err
	}
	place, made, err = c.maker.Place(m.Destination, directory)
	if err != nil {
		return -1, false, err
	}
	if err := c.allowed(place, m); err != nil {
		unix.Close(place)
		return -1, false, err
	}
	return place, made, nil
}

// isKernels reports whether the kernel makes the files of a type of file system, so that programs trust them.
func isKernels(kind string) bool { return kind == "proc" || kind == "sysfs" }

// procFiles describe the machine. They may be mounted over: lxcfs has others for a container.
var procFiles = []string{"cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg", "slabinfo"}

// allowed refuses a place in /proc: the rest of the start and the programs of the container trust the kernel's files there.
// CVE-2019-16884, CVE-2023-27561
func (c *container) allowed(place int, m *specs.Mount) error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(place, &fs); err != nil || fs.Type != unix.PROC_SUPER_MAGIC || isKernels(m.Type) {
		return err
	}
	dir, base := path.Split(path.Clean("/" + m.Destination))
	// The path says only where to look. The place itself has to be one of these files.
	if slices.Contains(procFiles, base) && c.tree.IsInProc(place, dir, base) {
		return nil
	}
	return errors.New("nothing can be mounted in /proc")
}
