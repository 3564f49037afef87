//go:build linux

package rootfs

import (
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

// MakeDevice makes a device node below the root. One that is there already has to be the same device.
func (r Root) MakeDevice(d specs.LinuxDevice) error {
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
	dir, base := path.Split(path.Clean("/" + d.Path))
	parent, err := r.Directory(dir, 0o755)
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	number := unix.Mkdev(uint32(d.Major), uint32(d.Minor))
	err = unix.Mknodat(parent, base, deviceTypes[d.Type]|mode, int(number))
	if errors.Is(err, unix.EEXIST) {
		return sameDevice(parent, base, deviceTypes[d.Type], number)
	}
	if err != nil {
		return fmt.Errorf("make the device %s: %w", d.Path, err)
	}
	if owner == 0 && group == 0 {
		return nil
	}
	if err := unix.Fchownat(parent, base, owner, group, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("give the device %s to %d:%d: %w", d.Path, owner, group, err)
	}
	return nil
}

func sameDevice(parent int, base string, mode uint32, number uint64) error {
	var stat unix.Stat_t
	if err := unix.Fstatat(parent, base, &stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("stat the device %s: %w", base, err)
	}
	if stat.Mode&unix.S_IFMT != mode || mode != unix.S_IFIFO && stat.Rdev != number {
		return fmt.Errorf("the device %s is another file already", base)
	}
	return nil
}

// MakeLink makes a symbolic link below the root. One that is there already is left alone.
func (r Root) MakeLink(target, name string) error {
	dir, base := path.Split(name)
	parent, err := r.Directory(dir, 0o755)
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	if err := unix.Symlinkat(target, parent, base); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("make the link %s: %w", name, err)
	}
	return nil
}

// BindDevice shows the host's node of a device below the root, for who may not make one. It must be where it is in the container,
// and the host's tree in sight. user_namespaces(7)
func (r Root) BindDevice(d specs.LinuxDevice) error {
	var stat unix.Stat_t
	if err := unix.Stat(d.Path, &stat); err != nil {
		return fmt.Errorf("the device %s of the host: %w", d.Path, err)
	}
	if stat.Mode&unix.S_IFMT != deviceTypes[d.Type] || stat.Rdev != unix.Mkdev(uint32(d.Major), uint32(d.Minor)) {
		return fmt.Errorf("the device %s of the host is another one: want %s %d:%d (in a user namespace devices cannot be made)", d.Path, d.Type, d.Major, d.Minor)
	}
	mount, err := Clone(d.Path, false)
	if err != nil {
		return err
	}
	defer unix.Close(mount)
	return r.AttachAt(mount, d.Path)
}
