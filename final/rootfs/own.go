//go:build linux

package rootfs

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Own knows which mounts below a root are the container's own: the root itself, and new file systems in memory. What is made in one of
// them ends with the container, or is in the root file system, where it belongs. A volume is neither: devices and links that are made
// there are on the host, and stay there. A link in an image can make /dev a volume, so this goes by the mount that a descriptor is
// on and not by a path.
type Own struct {
	maker  Maker
	mounts map[uint64]bool
}

// NewOwn returns what knows no other mount than the root of the maker yet.
func NewOwn(maker Maker) (Own, error) {
	o := Own{maker, map[uint64]bool{}}
	o.maker.May = func(dir int) error {
		err := o.may(dir)
		if err == nil && maker.May != nil {
			err = maker.May(dir)
		}
		return err
	}
	return o, o.Add(int(maker.Root))
}

// Add adds a mount, which has to stay.
func (o Own) Add(mount int) error {
	id, err := MountID(mount)
	if err == nil {
		o.mounts[id] = true
	}
	return err
}

// ErrForeign says that a directory is in a mount that is not the container's own.
var ErrForeign = errors.New("it is in a volume, where final creates no files (mount the volume elsewhere; a link in the image may lead there)")

// may returns ErrForeign for a directory in a mount of somebody else.
func (o Own) may(dir int) error {
	id, err := MountID(dir)
	if err == nil && !o.mounts[id] {
		err = ErrForeign
	}
	return err
}

// Has reports whether a directory below the root, which is made if it is not there, is in one of the mounts.
func (o Own) Has(name string) (bool, error) {
	fd, err := o.maker.make(name, unix.S_IFDIR|0o755, maxDepth)
	if err == nil {
		err = o.may(fd)
		unix.Close(fd)
	}
	if errors.Is(err, ErrForeign) {
		return false, nil
	}
	return err == nil, err
}

// BindFile shows an open file at a path below the root, by a mount with attributes. If there is no file at the path, one is made, in a
// mount of the container's own only.
func (o Own) BindFile(fd int, name string, attributes uint64) error {
	mount, err := cloneOf(fd, false)
	if err != nil {
		return err
	}
	defer unix.Close(mount)
	// Mounts in the host's /dev do not come after it.
	if err := Change(mount, attributes, 0, unix.MS_PRIVATE, false); err != nil {
		return err
	}
	place, err := o.maker.make(name, unix.S_IFREG|0o644, maxDepth)
	if err != nil {
		return err
	}
	defer unix.Close(place)
	return Attach(mount, place)
}

// MountID returns the number of the mount that a descriptor is on. No other mount has it as long as this one is there. statx(2)
func MountID(fd int) (uint64, error) {
	var stat unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW, unix.STATX_MNT_ID, &stat); err != nil {
		return 0, fmt.Errorf("statx: %w", err)
	}
	return stat.Mnt_id, nil
}
