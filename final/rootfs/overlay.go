//go:build linux

package rootfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Overlay makes a mount that shows a root file system, and takes what is written into the directory upper of dir. Dir has to
// have been made with MakeOverlayDir. The host's /proc must be in sight: layers are named by descriptor, so that no path is
// looked up twice, none is too long, and none shows up in the container's list of mounts. overlayfs.rst of the kernel
func Overlay(lower, dir string) (int, error) {
	var data []string
	for _, layer := range [][2]string{{"lowerdir", lower}, {"upperdir", filepath.Join(dir, "upper")}, {"workdir", filepath.Join(dir, "work")}} {
		fd, err := unix.Open(layer[1], unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return -1, fmt.Errorf("open %s: %w", layer[1], err)
		}
		defer unix.Close(fd)
		data = append(data, fmt.Sprintf("%s=/proc/self/fd/%d", layer[0], fd))
	}
	// What is written is thrown away with the container, so there is no need to wait for the disk.
	mount, err := Filesystem("overlay", "overlay", append(data, "volatile"), 0)
	if errors.Is(err, unix.EINVAL) {
		err = fmt.Errorf("%w: %s has to be on a file system that can take an overlay, such as ext4, xfs or tmpfs, not on another overlay, NFS or a folder shared with a virtual machine", err, dir)
	}
	return mount, err
}

// MakeOverlayDir makes the directories for an overlay, on the host side.
func MakeOverlayDir(lower, dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o711); err != nil {
		return err
	}
	for _, d := range []string{dir, filepath.Join(dir, "upper"), filepath.Join(dir, "work")} {
		mode := os.FileMode(0o755)
		if d == dir {
			mode = 0o700
		}
		err := os.Mkdir(d, mode)
		if d == dir && errors.Is(err, os.ErrExist) {
			// A container that was there before a restart of the host has left it.
			err = errors.Join(os.RemoveAll(dir), os.Mkdir(dir, mode))
		}
		if err != nil {
			return err
		}
	}
	return likeRoot(lower, filepath.Join(dir, "upper"))
}

// likeRoot gives the upper directory the owner and the mode of the lower one: it is the root directory that is seen.
func likeRoot(lower, upper string) error {
	var stat unix.Stat_t
	if err := unix.Stat(lower, &stat); err != nil {
		return fmt.Errorf("stat %s: %w", lower, err)
	}
	return errors.Join(os.Chown(upper, int(stat.Uid), int(stat.Gid)), unix.Chmod(upper, stat.Mode&0o7777))
}

// RemoveOverlayDir removes what MakeOverlayDir and the container have made. Most containers have written nothing: what the
// kernel makes for itself is known, and quickly removed.
func RemoveOverlayDir(dir string) error {
	for _, below := range []string{"work/work/incompat/volatile/dirty", "work/work/incompat/volatile", "work/work/incompat", "work/work", "work", "upper", "root", ""} {
		if err := unix.Rmdir(filepath.Join(dir, below)); err == unix.ENOTDIR {
			_ = unix.Unlink(filepath.Join(dir, below))
		}
	}
	return os.RemoveAll(dir)
}
