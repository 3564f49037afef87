//go:build linux

package rootfs

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// A Mask hides files and directories behind others that are empty.
type Mask struct {
	root Root
	// null is /dev/null, and empty is a directory. A mount of them is made for each path.
	null, empty int
}

// NewMask needs /dev/null below the root, and makes sure that it is that device: what is bound over a path otherwise is what
// the image chose. CVE-2025-31133
func NewMask(root Root) (*Mask, error) {
	null, err := root.Open("/dev/null", unix.O_PATH|unix.O_NOFOLLOW, 0)
	if absent(err) {
		err = fmt.Errorf("%w (final masks paths with /dev/null: if the container's /dev is a volume, or a link into a volume, mount the volume elsewhere)", err)
	}
	if err != nil {
		return nil, err
	}
	m := &Mask{root: root, null: null, empty: -1}
	var stat unix.Stat_t
	if err := unix.Fstat(null, &stat); err != nil || stat.Mode&unix.S_IFMT != unix.S_IFCHR || stat.Rdev != unix.Mkdev(1, 3) {
		m.Close()
		return nil, errors.New("/dev/null of the container is not the device 1:3: remove it from the image or the configuration")
	}
	return m, nil
}

// Close closes the descriptors.
func (m *Mask) Close() {
	unix.Close(m.null)
	unix.Close(m.empty)
}

// Hide hides a path. It does nothing if the path does not exist or is hidden already. config-linux.md, masked paths
func (m *Mask) Hide(name string) error {
	target, err := m.root.Open(name, unix.O_PATH, 0)
	if absent(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(target)
	if sameFile(target, m.null) || m.empty != -1 && sameFile(target, m.empty) {
		return nil
	}
	cover, err := m.cover(target)
	if err != nil {
		return fmt.Errorf("mask %s: %w", name, err)
	}
	defer unix.Close(cover)
	return Attach(cover, target)
}

// sameFile reports whether two descriptors are of the same file.
func sameFile(a, b int) bool {
	var one, other unix.Stat_t
	return unix.Fstat(a, &one) == nil && unix.Fstat(b, &other) == nil && one.Dev == other.Dev && one.Ino == other.Ino
}

func (m *Mask) cover(target int) (int, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(target, &stat); err != nil {
		return -1, err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		return cloneOf(m.null, false)
	}
	if m.empty != -1 {
		return cloneOf(m.empty, false)
	}
	fd, err := MakeFilesystem("tmpfs", "tmpfs", []string{"nr_blocks=1", "nr_inodes=1"}, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return -1, err
	}
	// The others are clones of the first, which is attached by then: before Linux 6.15 one that is not cannot be cloned.
	m.empty, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	return fd, err
}

func absent(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR)
}
