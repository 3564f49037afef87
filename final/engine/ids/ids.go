//go:build linux

// Package ids runs in the caller's final. It gives each container of run --userns auto a range of user and group IDs of its own on the host.
// So the root of a container that gets out is nobody on the host, and nobody in another container. user_namespaces(7)
package ids

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// Size is how many user IDs and how many group IDs a container gets.
const Size = 1 << 16

// The ranges lie between these two IDs if /etc/subuid and /etc/subgid have no user [Owner]. useradd(8) gives users IDs below, systemd gives
// IDs below to its containers and services, and sssd(8) gives the users of a domain IDs up to 2000200000.
const first, last = 0x7800_0000, 0x7fff_ffff

// A Range is where the IDs of a container begin on the host: its user 0 is UID, and its group 0 is GID. The zero
// Range stands for the IDs of the host.
type Range struct{ UID, GID uint32 }

// User returns the ID on the host of a user of the container. Users above the range become the container's root.
func (r Range) User(id uint32) int { return of(r.UID, id) }

// Group returns the ID on the host of a group of the container.
func (r Range) Group(id uint32) int { return of(r.GID, id) }

func of(first, id uint32) int {
	if first != 0 && id >= Size {
		id = 0
	}
	return int(first + id)
}

// overlaps reports whether two ranges have an ID in common.
func (r Range) overlaps(other Range) bool { return meet(r.UID, other.UID) || meet(r.GID, other.GID) }

func meet(a, b uint32) bool { return max(a, b)-min(a, b) < Size }

// A Claim is a range that no other container has. It is locked until Close. By then the container must have left a trace, for the function
// that [Take] gets.
type Claim struct {
	Range
	lock *os.File
}

// Take claims the first free range of a pool. lock is the path of a file that all callers share. taken returns the ranges of all containers
// that exist.
//
// Each range has its place in the file, and its claim is a lock on this place. The kernel removes the lock when the process ends, however it
// ends. fcntl(2), "Open file description locks"
func Take(pool []Range, lock string, taken func() ([]Range, error)) (*Claim, error) {
	file, err := os.OpenFile(lock, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	claim := &Claim{lock: file}
	err = claim.take(pool, taken)
	if err != nil {
		file.Close()
		return nil, err
	}
	return claim, nil
}

func (c *Claim) take(pool []Range, taken func() ([]Range, error)) error {
	seen, err := taken()
	for _, r := range pool {
		if err != nil {
			return err
		}
		if slices.ContainsFunc(seen, r.overlaps) {
			continue
		}
		place := unix.Flock_t{Type: unix.F_WRLCK, Start: int64(r.UID), Len: Size}
		if err := unix.FcntlFlock(c.lock.Fd(), unix.F_OFD_SETLK, &place); errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
			continue
		} else if err != nil {
			return fmt.Errorf("lock %s: %w", c.lock.Name(), err)
		}
		// Somebody may have made a container in this range, and given the lock back, since we looked.
		seen, err = taken()
		if err == nil && !slices.ContainsFunc(seen, r.overlaps) {
			c.Range = r
			return nil
		}
		place.Type = unix.F_UNLCK
		_ = unix.FcntlFlock(c.lock.Fd(), unix.F_OFD_SETLK, &place)
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("all %d ranges of %d user IDs are taken (delete containers that have ended: final list; or give the user %s more IDs in %s and %s)",
		len(pool), Size, Owner, subuid, subgid)
}

// Close gives the lock back. The zero Claim has none.
func (c *Claim) Close() { c.lock.Close() }
