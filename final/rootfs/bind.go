//go:build linux

package rootfs

import (
	"cmp"
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	// access is what a mount lets nobody do.
	access = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC
	// times is when the times of access are written.
	times = unix.MOUNT_ATTR__ATIME | unix.MOUNT_ATTR_NODIRATIME
)

// OfBind returns which attributes of a bind mount to set and to clear. has are those of its source.
//
// Without a word the mount keeps them all. With any word of its own (not for all mounts below, such as rro) the mount has what the
// words say and nothing else of the source's: with nosuid it can be written to, though the source is read-only. The times of access
// are those of the source unless a word says which: atime, or another word that clears one, does not. runc does the same.
//
// In a user namespace the attributes of the source are locked: a source that was mounted nodev gives the container no devices. An
// attribute without a word stays, and a word that clears one is an error, as in mount_namespaces(7).
func (o *Options) OfBind(has uint64, locked bool) (set, clear uint64, err error) {
	set, clear = o.Set, o.Clear
	if o.named == 0 {
		if locked && clear&has&access != 0 {
			return 0, 0, lockedError(clear & has & access)
		}
		return set, clear, nil
	}
	clear |= (access | unix.MOUNT_ATTR_NOSYMFOLLOW) &^ set
	chosen := o.Clear&unix.MOUNT_ATTR__ATIME == unix.MOUNT_ATTR__ATIME || set&unix.MOUNT_ATTR_NODIRATIME != 0
	if chosen {
		clear |= times &^ set
	} else {
		clear &^= times
	}
	if !locked {
		return set, clear, nil
	}
	if o.Clear&has&access != 0 {
		return 0, 0, lockedError(o.Clear & has & access)
	}
	if chosen && set&times != has&times {
		return 0, 0, lockedError(has & times)
	}
	return set, clear &^ (has & (access | times)), nil
}

func lockedError(attr uint64) error {
	o := Options{Set: attr}
	return fmt.Errorf("change the attributes of a mount: %w (the source is mounted %s, which is locked in a user namespace: leave out the options that change it)",
		unix.EPERM, cmp.Or(o.String(), "relatime"))
}

// Attributes returns the attributes of the mount that a descriptor is on. statfs(2)
func Attributes(fd int) (uint64, error) {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return 0, fmt.Errorf("statfs: %w", err)
	}
	const nosymfollow = 0x2000
	var has uint64
	for _, f := range []struct {
		flag int64
		attr uint64
	}{
		{unix.ST_RDONLY, unix.MOUNT_ATTR_RDONLY}, {unix.ST_NOSUID, unix.MOUNT_ATTR_NOSUID}, {unix.ST_NODEV, unix.MOUNT_ATTR_NODEV},
		{unix.ST_NOEXEC, unix.MOUNT_ATTR_NOEXEC}, {unix.ST_NOATIME, unix.MOUNT_ATTR_NOATIME}, {unix.ST_NODIRATIME, unix.MOUNT_ATTR_NODIRATIME},
		{nosymfollow, unix.MOUNT_ATTR_NOSYMFOLLOW},
	} {
		if fs.Flags&f.flag != 0 {
			has |= f.attr
		}
	}
	if fs.Flags&(unix.ST_NOATIME|unix.ST_RELATIME) == 0 {
		has |= unix.MOUNT_ATTR_STRICTATIME
	}
	return has, nil
}
