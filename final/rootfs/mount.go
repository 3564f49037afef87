//go:build linux

package rootfs

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Making a mount takes three moves, none of which looks up a path of the root file system by its name: make a mount that is attached
// nowhere (MakeFilesystem, Clone), set its attributes (Change), attach it to the file that a descriptor is open on (Attach).
// fsopen(2), open_tree(2), mount_setattr(2), move_mount(2)

// MakeFilesystem makes a new file system. data are its own options, as key or key=value; flags are attributes of the mount, such
// as unix.MOUNT_ATTR_NOSUID. The caller closes the descriptor.
func MakeFilesystem(fstype, source string, data []string, flags int) (int, error) {
	fs, err := unix.Fsopen(fstype, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("file system %s: %w", fstype, unknownType(err))
	}
	defer unix.Close(fs)
	if source != "" {
		data = append([]string{"source=" + source}, data...)
	}
	for _, option := range data {
		key, value, ok := CutOption(option)
		if ok {
			err = unix.FsconfigSetString(fs, key, value)
		} else {
			err = unix.FsconfigSetFlag(fs, key)
		}
		if err != nil {
			return -1, explained(fs, fmt.Errorf("option %s of file system %s: %w", option, fstype, err))
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, explained(fs, fmt.Errorf("create file system %s: %w", fstype, err))
	}
	mount, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, flags)
	if err != nil {
		return -1, explained(fs, fmt.Errorf("mount file system %s: %w", fstype, err))
	}
	return mount, nil
}

// CutOption splits an option of a file system into what fsconfig takes: a key, and a value if there is one. fsconfig(2)
func CutOption(option string) (key, value string, hasValue bool) {
	key, value, hasValue = strings.Cut(option, "=")
	return key, unquoted(value), hasValue
}

// unquoted returns a value without quotes around it: they only keep commas in it from splitting it. mount(8), context=
func unquoted(value string) string {
	if inner, ok := strings.CutPrefix(value, `"`); ok && strings.HasSuffix(inner, `"`) {
		return strings.TrimSuffix(inner, `"`)
	}
	return value
}

func unknownType(err error) error {
	if errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("%w (the kernel has no such file system)", err)
	}
	return err
}

// explained adds what the kernel says of a failure. fsopen(2)
func explained(fs int, err error) error {
	message := make([]byte, 1024)
	if n, _ := unix.Read(fs, message); n > 2 && message[0] == 'e' {
		return fmt.Errorf("%w (%s)", err, strings.TrimSpace(string(message[2:n])))
	}
	return err
}

// Clone makes a bind mount of a file or directory of the tree that we are in now, with the mounts below it if recursive.
func Clone(source string, recursive bool) (int, error) {
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, source, flags)
	if err != nil {
		return -1, fmt.Errorf("clone the mount of %s: %w", source, err)
	}
	return fd, nil
}

// Clone makes a bind mount of a file or directory below the root, with the mounts below it if recursive.
func (r Root) Clone(name string, recursive bool) (int, error) {
	fd, err := r.Open(name, unix.O_PATH, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fd)
	return cloneOf(fd, recursive)
}

// cloneOf makes a bind mount of what a descriptor stands for, with the mounts below it if recursive.
func cloneOf(fd int, recursive bool) (int, error) {
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC | unix.AT_EMPTY_PATH)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	clone, err := unix.OpenTree(fd, "", flags)
	if err != nil {
		return -1, fmt.Errorf("clone a mount: %w", err)
	}
	return clone, nil
}

// Again returns a clone of a mount that is attached nowhere in place of it, which is closed: the kernel shows mounts in the order in
// which they were made, and this one was made before its turn. Where that cannot be done, before Linux 6.15, it is the mount itself.
func Again(mount int, recursive bool) int {
	clone, err := cloneOf(mount, recursive)
	if err != nil {
		return mount
	}
	unix.Close(mount)
	return clone
}

// Change sets and clears attributes of a mount, and its propagation, such as unix.MS_PRIVATE, if that is not 0.
func Change(mount int, set, clear, propagation uint64, recursive bool) error {
	// The times of access are one field, which has to be cleared to be set. mount_setattr(2)
	if set&unix.MOUNT_ATTR__ATIME != 0 || clear&unix.MOUNT_ATTR__ATIME != 0 {
		clear |= unix.MOUNT_ATTR__ATIME
	}
	flags := uint(unix.AT_EMPTY_PATH)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	attr := unix.MountAttr{Attr_set: set, Attr_clr: clear, Propagation: propagation}
	if err := unix.MountSetattr(mount, "", flags, &attr); err != nil {
		return fmt.Errorf("change the attributes of a mount: %w", err)
	}
	return nil
}

// Attach attaches a mount to a file or directory, which is open.
func Attach(mount, target int) error {
	err := unix.MoveMount(mount, "", target, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
	if errors.Is(err, unix.EINVAL) && isDirectory(mount) != isDirectory(target) {
		return fmt.Errorf("attach a mount: %w (not a directory: one of source and target is a directory, the other is not)", err)
	}
	if err != nil {
		return fmt.Errorf("attach a mount: %w", err)
	}
	return nil
}

func isDirectory(fd int) bool {
	var stat unix.Stat_t
	return unix.Fstat(fd, &stat) == nil && stat.Mode&unix.S_IFMT == unix.S_IFDIR
}
