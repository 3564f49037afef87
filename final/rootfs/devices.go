//go:build linux

package rootfs

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Devices are those that every container has. config-linux.md, default devices
var Devices = []specs.LinuxDevice{
	device("/dev/null", 1, 3), device("/dev/zero", 1, 5), device("/dev/full", 1, 7),
	device("/dev/random", 1, 8), device("/dev/urandom", 1, 9), device("/dev/tty", 5, 0),
}

func device(name string, major, minor int64) specs.LinuxDevice {
	return specs.LinuxDevice{Path: name, Type: "c", Major: major, Minor: minor}
}

// Links are the symbolic links in /dev. config-linux.md, dev symbolic links
var Links = [][2]string{
	{"/proc/self/fd", "/dev/fd"}, {"/proc/self/fd/0", "/dev/stdin"}, {"/proc/self/fd/1", "/dev/stdout"}, {"/proc/self/fd/2", "/dev/stderr"},
	{"pts/ptmx", "/dev/ptmx"},
}

// IsOwn reports whether a path is one that every container has for itself, and that is no device there: callers list all of the
// host's.
func IsOwn(name string) bool {
	name = path.Clean(name)
	return slices.ContainsFunc(Links, func(l [2]string) bool { return l[1] == name }) || name == "/dev/console"
}

// deviceTypes are the bits of a mode for the letters of the specification. mknod(1)
var deviceTypes = map[string]uint32{"b": unix.S_IFBLK, "c": unix.S_IFCHR, "u": unix.S_IFCHR, "p": unix.S_IFIFO}

// MakeDevice makes a device node below the root, in a mount of the container's own. In any mount, a node that is there already has to
// be the same device.
func (o Own) MakeDevice(d specs.LinuxDevice) error {
	mode, owner, group := uint32(0o666), 0, 0
	if d.FileMode != nil {
		mode = uint32(*d.FileMode)
	}
	if d.UID != nil {
		owner = int(*d.UID)
	}
	if d.GID != nil {
		group = int(*d.GID)
	}
	parent, base, err := o.parent(d.Path)
	if err != nil {
		return fmt.Errorf("create the device %s: %w", d.Path, err)
	}
	defer unix.Close(parent)
	failed := o.maker.May(parent)
	if failed == nil {
		failed = unix.Mknodat(parent, base, deviceTypes[d.Type]|mode, int(number(d)))
	}
	node, err := unix.Openat(parent, base, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("create the device %s: %w", d.Path, cmp.Or(failed, err))
	}
	defer unix.Close(node)
	if !isDevice(node, d) {
		return fmt.Errorf("the device %s already exists as another file", d.Path)
	}
	if failed != nil || owner == 0 && group == 0 {
		return nil
	}
	if err := unix.Fchownat(node, "", owner, group, unix.AT_EMPTY_PATH); err != nil {
		return fmt.Errorf("give the device %s to %d:%d: %w", d.Path, owner, group, err)
	}
	return nil
}

// parent opens the directory of a path below the root, and makes it if it is not there.
func (o Own) parent(name string) (dir int, base string, err error) {
	above, base := path.Split(path.Clean("/" + name))
	dir, err = o.maker.make(above, unix.S_IFDIR|0o755, maxDepth)
	return dir, base, err
}

func number(d specs.LinuxDevice) uint64 { return unix.Mkdev(uint32(d.Major), uint32(d.Minor)) }

// isDevice reports whether an open file is a node of the device.
func isDevice(node int, d specs.LinuxDevice) bool {
	var stat unix.Stat_t
	kind := deviceTypes[d.Type]
	return unix.Fstat(node, &stat) == nil && stat.Mode&unix.S_IFMT == kind && (kind == unix.S_IFIFO || stat.Rdev == number(d))
}

// IsNull reports whether an open file is the device /dev/null.
func IsNull(fd int) bool { return isDevice(fd, Devices[0]) }

// MakeLink makes a symbolic link in the root directory. One that is there already is left alone.
func (r Root) MakeLink(target, base string) error {
	if err := unix.Symlinkat(target, int(r), base); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("create the link %s: %w", base, err)
	}
	return nil
}

// MakeLink makes a symbolic link below the root, in a mount of the container's own. One that is there already is left alone.
func (o Own) MakeLink(target, name string) error {
	parent, base, err := o.parent(name)
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	if err := o.maker.May(parent); err != nil {
		return fmt.Errorf("create the link %s: %w", name, err)
	}
	return Root(parent).MakeLink(target, base)
}

// BindDevice shows the host's node of a device below the root, for a user namespace, where a new node would be of no use. source is the
// path on the host, whose tree has to be in sight. user_namespaces(7)
func (o Own) BindDevice(d specs.LinuxDevice, source string) error {
	node, err := unix.Open(source, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("the device %s of the host: %w", source, err)
	}
	defer unix.Close(node)
	if !isDevice(node, d) {
		return fmt.Errorf("the device %s of the host is not %s %d:%d (in a user namespace final can only use the host's devices)", source, d.Type, d.Major, d.Minor)
	}
	return o.BindFile(node, d.Path, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC)
}
