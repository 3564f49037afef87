//go:build linux

package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"

	"container-workshop/final/rootfs"
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
	mount, err := mountLayers(o, filepath.Join(dir, fuseMark))
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
