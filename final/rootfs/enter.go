//go:build linux

package rootfs

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Enter attaches a mount to a directory of the host's tree, to which a symbolic link may lead, and goes there. A mount namespace that
// somebody else has made may not have that directory, and on a network file system we may not reach it. Then Enter attaches the mount on
// top of the root directory. The old root is below it until process 1 calls pivot_root: no path leads there, but .. does.
func Enter(mount int, dir string) error {
	err := unix.MoveMount(mount, "", unix.AT_FDCWD, dir, unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_SYMLINKS)
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENOENT) {
		// Paths still begin in the old root directory, below the new mount: the root directory of a process is no name in a tree.
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

// EnterDetached goes to a mount that is attached nowhere, for a container in the host's own mount namespace: nobody else there sees the
// mounts in it, and they go with the last process that has it as its root directory. Mounts in it need Linux 6.15.
func EnterDetached(mount int) error {
	if err := unix.Fchdir(mount); err != nil {
		return fmt.Errorf("change to the root file system: %w", err)
	}
	return nil
}

// ForgetHost keeps the mounts of the container from the host, where systemd makes mounts shared. When the host unmounts something, the
// mount goes from the container's mount namespace as well, so the container keeps no mount busy. mount_namespaces(7)
func ForgetHost() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("make the mounts slaves of the host's: %w", err)
	}
	return nil
}
