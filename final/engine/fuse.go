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

// fuseMark is a directory in the storage of a container. It exists if fuse-overlayfs writes the container's files.
const fuseMark = "merged"

// mountLayers makes an overlay, which is attached nowhere. If the kernel refuses an ordinary user the overlay, the program fuse-overlayfs takes
// over: before Linux 5.11 only root may make an overlay, and some file systems, such as NFS, cannot be below one. If mark is not empty,
// it is a directory to make then.
func mountLayers(o rootfs.Overlay, mark string) (mount int, err error) {
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
	if mark != "" {
		if err := os.Mkdir(mark, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return -1, err
		}
	}
	return fuseOverlay(program, o)
}

// fuseOverlay makes a mount for fuse-overlayfs, which is attached nowhere, and starts fuse-overlayfs. The program goes on in the background. It
// ends when the mount is gone: with the container, or with final if the container does not have the mount yet. fuse-overlayfs(1), fuse(4)
func fuseOverlay(program string, o rootfs.Overlay) (mount int, err error) {
	// fuse-overlayfs would attach a mount of its own, in a mount namespace that does not end before fuse-overlayfs does. So we make the mount,
	// and fuse-overlayfs only gets the device through which the kernel asks for files.
	device, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open /dev/fuse, for fuse-overlayfs: %w", err)
	}
	defer unix.Close(device)
	mount, err = rootfs.MakeFilesystem("fuse", "fuse-overlayfs", []string{
		"subtype=fuse-overlayfs", fmt.Sprintf("fd=%d", device), "rootmode=40000", "user_id=0", "group_id=0", "default_permissions", "allow_other",
	}, unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOATIME)
	if err != nil {
		return -1, err
	}
	cmd := exec.Command(program)
	pass := func(fd int) string {
		again, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return ""
		}
		cmd.ExtraFiles = append(cmd.ExtraFiles, os.NewFile(uintptr(again), "layer"))
		return fmt.Sprint(2 + len(cmd.ExtraFiles))
	}
	const dir = "/proc/self/fd/"
	var lower []string
	for _, fd := range o.Lower {
		lower = append(lower, dir+pass(fd))
	}
	options := "lowerdir=" + strings.Join(lower, ":")
	if o.Upper != -1 {
		options += ",upperdir=" + dir + pass(o.Upper) + ",workdir=" + dir + pass(o.Work)
	}
	// libfuse takes this name for an open device.
	cmd.Args = append(cmd.Args, "-o", options, "/dev/fd/"+pass(device))
	said, err := cmd.CombinedOutput()
	for _, file := range cmd.ExtraFiles {
		file.Close()
	}
	if err != nil {
		unix.Close(mount)
		return -1, fmt.Errorf("fuse-overlayfs: %w", cmp.Or(onlyText(said), err))
	}
	return mount, nil
}

// onlyText is an error with what a program has said, and nil if it has said nothing.
func onlyText(said []byte) error {
	if text := bytes.TrimSpace(said); len(text) > 0 {
		return errors.New(string(text))
	}
	return nil
}
