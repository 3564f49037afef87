//go:build linux

package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"

	"container-workshop/final/engine/ids"
	"container-workshop/final/engine/image"
	"container-workshop/final/owned"
	"container-workshop/final/rootfs"
	"container-workshop/final/rootless"
)

// mountOverlay makes a detached mount that shows lower directories, the highest first, and writes to the directory upper of dir, which
// makeOverlayDir has made. The container finds no path of the host in its list of mounts: see [rootfs.Overlay].
//
// mapIDs maps the IDs of a mount as the user namespace of the container does, and is nil without one.
func mountOverlay(lower []int, dir string, mapIDs func(mount int) error) (mount int, err error) {
	if mapIDs == nil {
		return layered(lower, dir)
	}
	mapped := make([]int, len(lower))
	for i, fd := range lower {
		if mapped[i], err = rootfs.Root(fd).Clone(".", false); err != nil {
			return -1, err
		}
		defer unix.Close(mapped[i])
		// The next mount is attached on this one. Nothing on it may show on the host.
		if err := rootfs.Change(mapped[i], 0, 0, unix.MS_PRIVATE, false); err != nil {
			return -1, err
		}
		if err := mapIDs(mapped[i]); err != nil {
			return -1, fmt.Errorf("--userns auto: the root file system: %w", err)
		}
	}
	// Most kernels take a mount as a layer only if the mount is attached in our mount namespace. So a thread of ours attaches it in a mount
	// namespace of its own, which ends with the thread: the host never sees the mount.
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- func() (err error) {
			if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
				return os.NewSyscallError("unshare", err)
			}
			if err := rootfs.ForgetHost(); err != nil {
				return err
			}
			for _, fd := range mapped {
				if err := rootfs.Enter(fd, filepath.Join(dir, "files")); err != nil {
					return err
				}
			}
			mount, err = layered(mapped, dir)
			return err
		}()
	}()
	err = <-done
	if errors.Is(err, unix.EINVAL) {
		err = fmt.Errorf("%w (--userns auto needs Linux 5.19)", err)
	}
	return mount, err
}

// layered makes the overlay.
func layered(lower []int, dir string) (int, error) {
	// The container's changes go with the container, so there is no need to wait for the disk.
	o := rootfs.Overlay{Lower: lower, Options: []string{"volatile"}}
	for name, fd := range map[string]*int{"upper": &o.Upper, "work": &o.Work} {
		var err error
		if *fd, err = unix.Open(filepath.Join(dir, name), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
			return -1, fmt.Errorf("open %s/%s: %w", dir, name, err)
		}
		defer unix.Close(*fd)
	}
	mount, err := mountLayers(o, filepath.Join(dir, fuseMount))
	var fs unix.Statfs_t
	switch {
	case !errors.Is(err, unix.EINVAL):
	case unix.Fstatfs(o.Upper, &fs) == nil && fs.Type == unix.OVERLAYFS_SUPER_MAGIC:
		err = fmt.Errorf("%w: %s is on an overlay itself, as in a container, and the kernel takes no overlay on an overlay: mount a volume on %s", err, dir, Home())
	default:
		err = fmt.Errorf("%w: %s must be on a file system that can take an overlay, such as ext4, xfs or tmpfs: not on NFS, or in a folder that a virtual machine shares", err, dir)
	}
	return mount, err
}

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
	for _, below := range []string{"work/work/incompat/volatile/dirty", "work/work/incompat/volatile", "work/work/incompat", "work/work", "work", "upper", "root"} {
		if err := unix.Unlinkat(dir, below, unix.AT_REMOVEDIR); err == unix.ENOTDIR {
			_ = unix.Unlinkat(dir, below, 0)
		}
	}
	return owned.Remove(storage, name)
}
