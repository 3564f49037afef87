//go:build linux

package engine

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"

	"container-workshop/final/rootfs"
	"container-workshop/final/rootless"
)

// KernelOverlay makes an overlay. A test makes it fail as on a host whose kernel has no overlays for users.
var KernelOverlay = rootfs.Overlay.Mount

// fuseMount is a directory in the storage of a container. It exists if fuse-overlayfs has mounted the overlay.
const fuseMount = "merged"

// mountLayers makes an overlay, which is attached nowhere. If the kernel refuses an ordinary user the overlay, the program fuse-overlayfs takes
// over: before Linux 5.11 only root may make an overlay, and some file systems, such as NFS, cannot be below one. at is where
// fuse-overlayfs mounts it first.
func mountLayers(o rootfs.Overlay, at string) (mount int, err error) {
	if rootless.Is() {
		// In a user namespace the marks of the overlay are attributes that users may set. overlayfs.rst, "User xattr"
		o.Options = append(o.Options, "userxattr")
	}
	mount, err = KernelOverlay(o)
	if !rootless.Is() || !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENODEV) {
		return mount, err
	}
	program, none := exec.LookPath("fuse-overlayfs")
	if none != nil {
		if errors.Is(err, unix.EPERM) {
			err = fmt.Errorf("%w: without root, an overlay needs Linux 5.11 or the program fuse-overlayfs: apt-get install fuse-overlayfs", err)
		}
		return -1, err
	}
	return fuseOverlay(program, o, at)
}

// fuseOverlay starts fuse-overlayfs, which mounts the overlay in our mount namespace and goes on in the background. It ends when the last mount
// is gone, and the only one that stays is that of the container. fuse-overlayfs(1)
func fuseOverlay(program string, o rootfs.Overlay, at string) (int, error) {
	cmd := exec.Command(program)
	pass := func(fd int) string {
		again, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return ""
		}
		cmd.ExtraFiles = append(cmd.ExtraFiles, os.NewFile(uintptr(again), "layer"))
		return fmt.Sprintf("/proc/self/fd/%d", 2+len(cmd.ExtraFiles))
	}
	var lower []string
	for _, fd := range o.Lower {
		lower = append(lower, pass(fd))
	}
	options := "lowerdir=" + strings.Join(lower, ":")
	if o.Upper != -1 {
		options += ",upperdir=" + pass(o.Upper) + ",workdir=" + pass(o.Work)
	}
	cmd.Args = append(cmd.Args, "-o", options, at)
	if err := os.Mkdir(at, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return -1, err
	}
	said, err := cmd.CombinedOutput()
	for _, file := range cmd.ExtraFiles {
		file.Close()
	}
	if err != nil {
		return -1, fmt.Errorf("fuse-overlayfs: %w", cmp.Or(onlyText(said), err))
	}
	defer func() { _ = unix.Unmount(at, unix.MNT_DETACH) }()
	return rootfs.Clone(at, false)
}

// onlyText is an error with what a program has said, and nil if it has said nothing.
func onlyText(said []byte) error {
	if text := bytes.TrimSpace(said); len(text) > 0 {
		return errors.New(string(text))
	}
	return nil
}
