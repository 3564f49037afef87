//go:build linux

// Package idmap runs on the host side. It makes mounts that show the owners of files as a user namespace maps them (Map), and knows who an
// ID of a user namespace is on the host (IDs).
package idmap

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Map makes a mount show the owners of its files as a user namespace, of which userns is a descriptor, maps them: who is 0
// on the disk is who the namespace's 0 is on the host, and the other way round for what is made there. The mount has to be
// attached nowhere yet, and a clone of its own (Clone). With recursive it is done to those below it too, to all or none.
// The caller needs CAP_SYS_ADMIN in the user namespace in which the file system was mounted: for a volume, the host's.
// mount_setattr(2), idmappings.rst of the kernel
func Map(mount, userns int, recursive bool) error {
	if kind, err := unix.IoctlRetInt(userns, unix.NS_GET_NSTYPE); err != nil || kind != unix.CLONE_NEWUSER {
		return errors.New("map the IDs of a mount: the descriptor is not that of a user namespace")
	}
	how := uint(unix.AT_EMPTY_PATH)
	if recursive {
		how |= unix.AT_RECURSIVE
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(userns)}
	if err := unix.MountSetattr(mount, "", how, &attr); err != nil {
		return fmt.Errorf("map the IDs of a mount: %w", idmapAdvice(err))
	}
	return nil
}

// idmapAdvice names the causes, of which the kernel has several for one number.
func idmapAdvice(err error) error {
	switch {
	case errors.Is(err, unix.ENOSYS):
		return fmt.Errorf("%w (needs Linux 5.12)", err)
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%w (this kernel cannot map the IDs of this file system, or of a mount below it; or the mount "+
			"is attached already)", err)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w (the mount has mapped IDs already; or the user namespace is the host's; or you are root only in a "+
			"user namespace, and the file system was mounted outside of it)", err)
	}
	return err
}
