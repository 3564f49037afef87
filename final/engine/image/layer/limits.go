//go:build linux

package layer

import (
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// Limits stop a layer that would fill the disk, or the memory of whoever unpacks the layer.
type Limits struct {
	// Bytes is how many bytes the tar file may have, and how many bytes all files together may have, with their holes.
	Bytes int64
	// Entries is how many entries the tar file may have, together with the directories on their paths that have no entry.
	Entries int
	// Depth is how many directories may be above a file.
	Depth int
}

// The default limits are far above those of any honest image.
const (
	defaultBytes   = 64 << 30
	defaultEntries = 2_000_000
	defaultDepth   = 1000
)

// A budget is what is left of the limits.
type budget struct {
	Limits
	left Limits
}

// start completes the limits. A layer gets at most nine tenths of the space and of the inodes that the file system has left, so the host
// goes on. Some file systems do not count inodes. statfs(2)
func (b *budget) start(dir int, limits Limits) error {
	b.Limits = Limits{defaultBytes, defaultEntries, defaultDepth}
	if limits.Bytes > 0 {
		b.Bytes = min(b.Bytes, limits.Bytes)
	}
	if limits.Entries > 0 {
		b.Entries = min(b.Entries, limits.Entries)
	}
	if limits.Depth > 0 {
		b.Depth = limits.Depth
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(dir, &fs); err != nil {
		return fmt.Errorf("statfs the directory of a layer: %w", err)
	}
	b.Bytes = min(b.Bytes, int64(fs.Bavail)*fs.Bsize/10*9)
	if fs.Files > 0 {
		b.Entries = int(min(uint64(b.Entries), fs.Ffree/10*9))
	}
	b.left = b.Limits
	// The tar file has headers besides the files.
	b.left.Bytes += int64(b.Entries) * 4096
	return nil
}

// file takes the size of a file from the budget.
func (b *budget) file(total *int64, size int64) error {
	if size < 0 || size > b.Bytes-*total {
		return fmt.Errorf("the files of the layer have more than %d bytes, and final unpacks no more (use a smaller image, or make room on the disk)", b.Bytes)
	}
	*total += size
	return nil
}

func (b *budget) entry() error {
	if b.left.Entries--; b.left.Entries < 0 {
		return fmt.Errorf("the layer has more than %d entries, and final unpacks no more (use a smaller image, or make room on the disk)", b.Entries)
	}
	return nil
}

// A meter is a tar file that ends with an error when it is too long.
type meter struct {
	from   io.Reader
	budget *budget
}

func (m *meter) Read(to []byte) (int, error) {
	n, err := m.from.Read(to)
	if m.budget.left.Bytes -= int64(n); m.budget.left.Bytes < 0 {
		return 0, fmt.Errorf("it has more than %d bytes, and final unpacks no more (use a smaller image, or make room on the disk)", m.budget.Bytes)
	}
	return n, err
}
