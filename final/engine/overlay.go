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
	"container-workshop/final/owned"
	"container-workshop/final/rootfs"
	"container-workshop/final/rootless"
)

// mountOverlay makes a detached mount that shows a root file system, and writes to the directory upper of dir, which makeOverlayDir has
// made. Layers are named by descriptor, below the host's /proc: so no path is resolved twice, no path is too long, and the container finds
// no path of the host in its list of mounts. overlayfs.rst of the kernel
//
// mapIDs maps the IDs of a mount as the user namespace of the container does, and is nil without one.
func mountOverlay(lower rootfs.Root, dir string, mapIDs func(mount int) error) (mount int, err error) {
	if mapIDs == nil {
		return layered(lower, dir)
	}
	mapped, err := lower.Clone(".", false)
	if err != nil {
		return -1, err
	}
	defer unix.Close(mapped)
	if err := mapIDs(mapped); err != nil {
		return -1, fmt.Errorf("--userns auto: the root file system: %w", err)
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
			if err := errors.Join(rootfs.ForgetHost(), rootfs.Enter(mapped, filepath.Join(dir, "files"))); err != nil {
				return err
			}
			mount, err = layered(rootfs.Root(mapped), dir)
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
func layered(lower rootfs.Root, dir string) (int, error) {
	data := []string{fmt.Sprintf("lowerdir=/proc/self/fd/%d", lower)}
	for _, layer := range [][2]string{{"upperdir", filepath.Join(dir, "upper")}, {"workdir", filepath.Join(dir, "work")}} {
		fd, err := unix.Open(layer[1], unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return -1, fmt.Errorf("open %s: %w", layer[1], err)
		}
		defer unix.Close(fd)
		data = append(data, fmt.Sprintf("%s=/proc/self/fd/%d", layer[0], fd))
	}
	if rootless.Is() {
		// In a user namespace the marks of the overlay are attributes that users may set. overlayfs.rst, "User xattr"
		data = append(data, "userxattr")
	}
	// The container's changes go with the container, so there is no need to wait for the disk.
	mount, err := rootfs.MakeFilesystem("overlay", "overlay", append(data, "volatile"), 0)
	if errors.Is(err, unix.EINVAL) {
		err = fmt.Errorf("%w: %s must be on a file system that can take an overlay, such as ext4, xfs or tmpfs: not on another overlay, on NFS, or in a folder that a virtual machine shares", err, dir)
	}
	return mount, err
}

// makeOverlayDir makes the directories of an overlay in the open storage.
func makeOverlayDir(lower rootfs.Root, own ids.Range, storage int, name string) error {
	err := unix.Mkdirat(storage, name, 0o700)
	if err == unix.EEXIST {
		// A container from before a restart of the host has left it.
		if err = removeOverlayDir(storage, name); err == nil {
			err = unix.Mkdirat(storage, name, 0o700)
		}
	}
	if err != nil {
		return &os.PathError{Op: "mkdir", Path: name, Err: err}
	}
	dir, err := owned.Below(storage, name)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	for _, below := range []string{"upper", "work"} {
		if err := unix.Mkdirat(dir, below, 0o755); err != nil {
			return &os.PathError{Op: "mkdir", Path: below, Err: err}
		}
	}
	if err := unix.Fchownat(dir, "work", int(own.UID), int(own.GID), 0); err != nil {
		return &os.PathError{Op: "chown", Path: "work", Err: err}
	}
	return likeRoot(lower, own, dir)
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
