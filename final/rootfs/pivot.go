//go:build linux

package rootfs

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Enter attaches a mount to a directory of the host's tree, to which a symbolic link may lead, and goes there. We may not reach that
// directory as another user than the host's root, or in a mount namespace that somebody else has made. Then the mount is attached on
// top of the root directory. The old root is below it until Pivot: no path leads there, but .. does.
func Enter(mount int, dir string) error {
	err := unix.MoveMount(mount, "", unix.AT_FDCWD, dir, unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_SYMLINKS)
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENOENT) {
		// A path does not see what is mounted on the root directory itself: it is the process's root, not a name in a tree.
		err = unix.MoveMount(mount, "", unix.AT_FDCWD, "/", unix.MOVE_MOUNT_F_EMPTY_PATH)
	}
	if err != nil {
		return fmt.Errorf("attach the root file system: %w", err)
	}
	if err := unix.Fchdir(mount); err != nil {
		return fmt.Errorf("change to the root file system: %w", err)
	}
	return nil
}

// EnterDetached goes to a mount that is attached nowhere, for a container in the host's own mount namespace: nobody there sees what
// is mounted in it, and it is gone with the last process that has it for its root. Mounts in it need Linux 6.15.
func EnterDetached(mount int) error {
	if err := unix.Fchdir(mount); err != nil {
		return fmt.Errorf("change to the root file system: %w", err)
	}
	return nil
}

// ChangeRoot makes the current directory the root directory of this process and no other. chroot(2)
func ChangeRoot() error {
	if err := errors.Join(unix.Chroot("."), unix.Chdir("/")); err != nil {
		return fmt.Errorf("change the root directory: %w", err)
	}
	return nil
}

// Pivot makes the current directory, which is a mount, the root directory of all processes of the mount namespace. The old
// root comes to be on top of it. pivot_root(2), section NOTES
func Pivot() error {
	err := unix.PivotRoot(".", ".")
	if errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("pivot_root: %w (the host's root directory is an initramfs, which pivot_root cannot replace: switch to a mounted file system first)", err)
	}
	if err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	return nil
}

// DetachOldRoot takes the host's tree away for good: nothing in the container has a way to it, by chroot or by a descriptor
// of a directory, unlike after chroot(2).
func DetachOldRoot() error {
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("detach the old root: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return fmt.Errorf("change to the new root: %w", err)
	}
	return nil
}

// ForgetHost keeps the mounts of the container from the host, where systemd makes them shared. Mounts of the host still come
// to us, until its tree is detached, so that we keep none busy that it unmounts. mount_namespaces(7)
func ForgetHost() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("make the mounts slaves of the host's: %w", err)
	}
	return nil
}
