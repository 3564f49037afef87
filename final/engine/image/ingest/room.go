//go:build linux

package ingest

import (
	"fmt"
	"math"
	"os"

	"golang.org/x/sys/unix"

	"container-workshop/final/engine/image"
	"container-workshop/final/engine/image/layer"
)

// Room is how much a directory may get: nine tenths of the space and of the inodes that its file system has left, so the host goes on. Some
// file systems do not count inodes. statfs(2)
func Room(dir string) (layer.Limits, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return layer.Limits{}, fmt.Errorf("statfs %s: %w", dir, err)
	}
	room := layer.Limits{Bytes: int64(fs.Bavail) * fs.Bsize / 10 * 9, Entries: math.MaxInt}
	if fs.Files > 0 {
		room.Entries = int(fs.Ffree / 10 * 9)
	}
	return room, nil
}

// left returns what all images that this Adder adds may still take. A layer alone has its limits, too, but an image can have hundreds of
// layers, and an archive hundreds of images.
func (a *Adder) left() (*layer.Limits, error) {
	if a.room == nil {
		room, err := Room(a.Store.Dir)
		if err != nil {
			return nil, err
		}
		a.room = &room
	}
	return a.room, nil
}

// reserve refuses an image whose missing layers need more than there is room for. A registry can say any size, and send as much.
func (a *Adder) reserve(m *image.Manifest) error {
	left, err := a.left()
	if err != nil {
		return err
	}
	for _, d := range m.Layers {
		if _, err := os.Stat(a.Store.Blob(d.Digest)); err == nil {
			continue
		}
		if d.Size > left.Bytes {
			return fmt.Errorf("layer %s has %d bytes, and there is no room for them in %s (use a smaller image, or make room on the disk)", d.Digest, d.Size, a.Store.Dir)
		}
		left.Bytes -= d.Size
	}
	return nil
}

// smallest is what a file takes on the disk, however short it is: an inode, and a block or an entry of its directory.
const smallest = 4096

// within returns the limits of the next layer, and a function that takes away what the layer has taken.
func (a *Adder) within() (layer.Limits, func(layer.Summary), error) {
	limits := a.Options.Limits
	left, err := a.left()
	if err != nil {
		return limits, nil, err
	}
	if left.Bytes <= 0 || left.Entries <= 0 {
		return limits, nil, fmt.Errorf("there is no room for more layers in %s (use a smaller image, or make room on the disk)", a.Store.Dir)
	}
	if limits.Bytes == 0 || left.Bytes < limits.Bytes {
		limits.Bytes = left.Bytes
	}
	if limits.Entries == 0 || left.Entries < limits.Entries {
		limits.Entries = left.Entries
	}
	return limits, func(s layer.Summary) {
		left.Bytes -= s.Bytes + smallest*int64(s.Entries)
		left.Entries -= s.Entries
	}, nil
}
