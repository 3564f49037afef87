//go:build linux

package rootfs

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// A Seal makes paths read-only, each by a mount of its own.
type Seal struct {
	root Root
	// made are the mounts.
	made map[uint64]bool
}

// NewSeal returns a seal that has made nothing read-only yet.
func NewSeal(root Root) *Seal { return &Seal{root, map[uint64]bool{}} }

// MakeReadOnly makes a path read-only. It does nothing if the path does not exist, or is in a mount of the seal: that one is
// read-only already. config-linux.md, readonly paths
func (s *Seal) MakeReadOnly(name string) error {
	target, err := s.root.Open(name, unix.O_PATH, 0)
	if absent(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(target)
	if id, err := MountID(target); err != nil || s.made[id] {
		return err
	}
	mount, err := cloneOf(target, true)
	if err != nil {
		return fmt.Errorf("make %s read-only: %w", name, err)
	}
	defer unix.Close(mount)
	id, err := MountID(mount)
	if err != nil {
		return err
	}
	if err := Change(mount, unix.MOUNT_ATTR_RDONLY, 0, 0, true); err != nil {
		return err
	}
	s.made[id] = true
	return Attach(mount, target)
}
