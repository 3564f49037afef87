//go:build linux

package change

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// xattrs are the attributes of a file that belong into an image: capabilities, and what users have set. Those of overlay are no part of a file.
func (t *Tree) xattrs(fd int, first uint32) (map[string]string, error) {
	list := make([]byte, 64<<10)
	n, err := unix.Listxattr(proc(fd), list)
	if err == unix.EOPNOTSUPP {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list attributes: %w", err)
	}
	all := map[string]string{}
	for name := range strings.SplitSeq(string(list[:n]), "\x00") {
		wanted := name == capability || strings.HasPrefix(name, "user.") && !strings.HasPrefix(name, "user.overlay.")
		// A record of a tar file ends its name with an equal sign.
		if !wanted || strings.Contains(name, "=") {
			continue
		}
		value, err := xattr(fd, name)
		if err == unix.ENODATA {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read attribute %q: %w", shortened(name), err)
		}
		if name == capability {
			value = plainCapability(value, first)
		}
		if value != nil {
			all[name] = string(value)
		}
	}
	return all, nil
}

func xattr(fd int, name string) ([]byte, error) {
	value := make([]byte, 64<<10)
	n, err := unix.Getxattr(proc(fd), name, value)
	return value[:max(n, 0)], err
}

// proc is the path of what an open descriptor stands for. It follows no link in the file system.
func proc(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }

const capability = "security.capability"

// plainCapability removes from capabilities the root that they belong to, if this is the root of the container. Capabilities of another
// root are worth nothing in the container, and are left out. capabilities(7), VFS_CAP_REVISION_3
func plainCapability(value []byte, root uint32) []byte {
	const revision2, revision3, size2, size3 = 2, 3, 20, 24
	if len(value) < 4 || value[3] != revision3 {
		return value
	}
	if len(value) != size3 || uint32(value[20])|uint32(value[21])<<8|uint32(value[22])<<16|uint32(value[23])<<24 != root {
		return nil
	}
	plain := slices.Clone(value[:size2])
	plain[3] = revision2
	return plain
}

// same reports whether a file is as it was: the container may have opened it for writing and not written. The size and the time of a
// directory say little about it.
func (t *Tree) same(f *file) (bool, error) {
	a, b := &f.stat, &f.below
	if a.Mode != b.Mode || a.Uid != b.Uid || a.Gid != b.Gid || a.Rdev != b.Rdev || !f.isDirectory() && (a.Size != b.Size || a.Mtim != b.Mtim) {
		return false, nil
	}
	now, err := t.xattrs(f.fd, t.UID)
	if err != nil {
		return false, err
	}
	before, err := t.xattrs(f.lower, 0)
	return maps.Equal(now, before), err
}
