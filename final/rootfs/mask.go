//go:build linux

package rootfs

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// A Mask hides files behind /dev/null, and directories behind one that is empty.
type Mask struct {
	root Root
	// null is /dev/null, and empty is a mount of an empty directory.
	null, empty int
	// used says that empty is attached. For the next directory we clone it.
	used bool
}

// NewMask needs a detached mount of an empty directory, and /dev/null below the root. It makes sure that /dev/null is that device: otherwise
// the image could choose what hides a path. CVE-2025-31133
func NewMask(root Root, empty int) (*Mask, error) {
	null, err := root.Open("/dev/null", unix.O_PATH|unix.O_NOFOLLOW, 0)
	if absent(err) {
		err = fmt.Errorf("%w (final masks paths with /dev/null: if the container's /dev is a volume, or a link into a volume, mount the volume elsewhere)", err)
	}
	if err != nil {
		return nil, err
	}
	m := &Mask{root: root, null: null, empty: empty}
	if !IsNull(null) {
		m.Close()
		return nil, errors.New("/dev/null of the container is not the device 1:3: remove it from the image or the configuration")
	}
	return m, nil
}

// HidePaths hides paths below a root. See NewMask.
func HidePaths(root Root, empty int, names []string) error {
	mask, err := NewMask(root, empty)
	if err != nil {
		return err
	}
	defer mask.Close()
	for _, name := range names {
		if err := mask.Hide(name); err != nil {
			return err
		}
	}
	return nil
}

// Close closes the descriptor of /dev/null.
func (m *Mask) Close() { unix.Close(m.null) }

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
	if sameFile(target, m.null) || sameFile(target, m.empty) {
		return nil
	}
	if isDirectory(target) && !m.used {
		m.used = true
		return Attach(m.empty, target)
	}
	cover := m.null
	if isDirectory(target) {
		cover = m.empty
	}
	// Before Linux 6.15 only a mount that is attached can be cloned.
	clone, err := cloneOf(cover, false)
	if err != nil {
		return fmt.Errorf("mask %s: %w", name, err)
	}
	defer unix.Close(clone)
	return Attach(clone, target)
}

// sameFile reports whether two descriptors are of the same file.
func sameFile(a, b int) bool {
	var one, other unix.Stat_t
	return unix.Fstat(a, &one) == nil && unix.Fstat(b, &other) == nil && one.Dev == other.Dev && one.Ino == other.Ino
}

func absent(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR)
}
