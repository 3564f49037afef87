//go:build linux

package engine

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"container-workshop/final/engine/ids"
	"container-workshop/final/engine/image"
	"container-workshop/final/owned"
	"container-workshop/final/rootfs"
	"container-workshop/final/rootless"
)

// makeOverlayDir makes the directories of an overlay in the open storage, and returns the directory of the container, locked.
func makeOverlayDir(lower rootfs.Root, own ids.Range, storage int, name string) (dir int, err error) {
	err = unix.Mkdirat(storage, name, 0o700)
	if err == unix.EEXIST {
		// Two containers of the same ID, under different --root, can come at the same time: see checkStorage.
		if left, gone := owned.Below(storage, name); gone == nil {
			_, busy := image.Busy(left)
			unix.Close(left)
			if busy {
				return -1, fmt.Errorf("container %s has just started under another --root: choose another ID", name)
			}
		}
		// A container from before a restart of the host has left it.
		if err = removeOverlayDir(storage, name); err == nil {
			err = unix.Mkdirat(storage, name, 0o700)
		}
	}
	if err != nil {
		return -1, &os.PathError{Op: "mkdir", Path: name, Err: err}
	}
	if dir, err = owned.Below(storage, name); err != nil {
		return -1, err
	}
	err = func() error {
		// The lock says that the storage is in use, even if the state of the container should vanish. See image.Busy. NFS cannot lock a
		// directory.
		if err := unix.Flock(dir, unix.LOCK_EX|unix.LOCK_NB); err == unix.EWOULDBLOCK {
			return &os.PathError{Op: "flock", Path: name, Err: err}
		}
		for _, below := range []string{"upper", "work"} {
			if err := unix.Mkdirat(dir, below, 0o755); err != nil {
				return &os.PathError{Op: "mkdir", Path: below, Err: err}
			}
		}
		if err := unix.Fchownat(dir, "work", int(own.UID), int(own.GID), 0); err != nil {
			return &os.PathError{Op: "chown", Path: "work", Err: err}
		}
		return likeRoot(lower, own, dir)
	}()
	if err != nil {
		unix.Close(dir)
	}
	return dir, err
}

// likeRoot gives the upper directory the owner and the mode of the root file system: the container sees the upper directory as its root
// directory.
func likeRoot(lower rootfs.Root, own ids.Range, dir int) error {
	var stat unix.Stat_t
	if err := unix.Fstat(int(lower), &stat); err != nil {
		return fmt.Errorf("stat the root file system: %w", err)
	}
	upper, err := unix.Openat(dir, "upper", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open the upper directory: %w", err)
	}
	defer unix.Close(upper)
	if rootless.Is() && stat.Uid == nobody {
		return ownDirectories(lower, own, upper, stat.Mode)
	}
	return errors.Join(unix.Fchown(upper, own.User(stat.Uid), own.Group(stat.Gid)), unix.Fchmod(upper, stat.Mode&0o7777))
}

// removeOverlayDir removes a directory that makeOverlayDir has made, with everything that the container has written. Most containers write
// nothing. So it first tries to remove just the files that the kernel makes.
func removeOverlayDir(storage int, name string) error {
	dir, err := owned.Below(storage, name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	for _, below := range []string{"work/work/incompat/volatile/dirty", "work/work/incompat/volatile", "work/work/incompat", "work/work", "work", "upper", "root", image.First} {
		if err := unix.Unlinkat(dir, below, unix.AT_REMOVEDIR); err == unix.ENOTDIR {
			_ = unix.Unlinkat(dir, below, 0)
		}
	}
	return owned.Remove(storage, name)
}
