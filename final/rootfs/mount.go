//go:build linux

package rootfs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// A mount is made in three moves, none of which looks up a path of the root file system by its name: make one that is
// attached nowhere (Filesystem, Clone), set its attributes (Change), attach it to what a descriptor stands for (Attach).
// fsopen(2), open_tree(2), mount_setattr(2), move_mount(2)

// Filesystem makes a new file system. data are its own options, as key or key=value; flags are attributes of the mount, such
// as unix.MOUNT_ATTR_NOSUID. The caller closes the descriptor.
func Filesystem(fstype, source string, data []string, flags int) (int, error) {
	fs, err := unix.Fsopen(fstype, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("file system %s: %w", fstype, unknownType(err))
	}
	defer unix.Close(fs)
	if source != "" {
		data = append([]string{"source=" + source}, data...)
	}
	for _, option := range data {
		key, value, ok := strings.Cut(option, "=")
		if ok {
			err = unix.FsconfigSetString(fs, key, unquoted(value))
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

// unquoted returns a value without the quotes around it: they only keep its commas from splitting it. mount(8), context=
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

// SealedSelf returns an open file that is this program, which nobody can write to by way of it, not even when the program
// has ended, as its mount is read-only and in no namespace. So what runs in a container cannot change the program on the
// host by /proc/PID/exe. CVE-2019-5736
func SealedSelf() (*os.File, error) {
	fd, err := Clone("/proc/self/exe", false)
	if errors.Is(err, unix.EINVAL) && Sealed() {
		// We are on such a mount already. As it is in no namespace, it cannot be cloned.
		fd, err = unix.Open("/proc/self/exe", unix.O_PATH|unix.O_CLOEXEC, 0)
		return os.NewFile(uintptr(fd), "this program"), os.NewSyscallError("open", err)
	}
	if errors.Is(err, unix.ENOENT) {
		err = fmt.Errorf("%w (/proc is not mounted: mount -t proc proc /proc)", err)
	}
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "this program")
	if err := Change(fd, unix.MOUNT_ATTR_RDONLY, 0, 0, false); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// HiddenSelf returns an open file that is a copy of this program. Only the host's root may read the copy; everybody may execute
// it. A process whose program it may not read itself can only be looked into with CAP_SYS_PTRACE on the host: having that
// capability in a user namespace is not enough. The copy is in memory, on a read-only mount that is in no namespace. ptrace(2),
// "Ptrace access mode checking"
func HiddenSelf() (*os.File, error) {
	const name, executeOnly = "program", 0o111
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	defer self.Close()
	mount, err := Filesystem("tmpfs", "", nil, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	if err != nil {
		return nil, err
	}
	defer unix.Close(mount)
	fd, err := unix.Openat(mount, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, executeOnly)
	if err != nil {
		return nil, fmt.Errorf("copy this program: %w", err)
	}
	hidden := os.NewFile(uintptr(fd), "a copy of this program")
	_, err = io.Copy(hidden, self)
	// What is open for writing cannot be executed.
	if err := errors.Join(err, hidden.Close()); err != nil {
		return nil, fmt.Errorf("copy this program: %w", err)
	}
	if err := Change(mount, unix.MOUNT_ATTR_RDONLY, 0, 0, false); err != nil {
		return nil, err
	}
	fd, err = unix.Openat(mount, name, unix.O_PATH|unix.O_CLOEXEC, 0)
	return os.NewFile(uintptr(fd), hidden.Name()), os.NewSyscallError("open", err)
}

// Sealed reports whether this process executes the program from a read-only mount already.
func Sealed() bool {
	var fs unix.Statfs_t
	return unix.Statfs("/proc/self/exe", &fs) == nil && fs.Flags&unix.ST_RDONLY != 0
}
