//go:build linux

package layer

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// createFile makes a regular file with its content.
func (a *applier) createFile(parent *dir, base string, h *tar.Header, content io.Reader) error {
	if err := a.budget.file(&a.summary.Bytes, h.Size); err != nil {
		return err
	}
	dir, err := a.fd(parent)
	if err != nil {
		return err
	}
	fd := -1
	err = a.place(parent, base, func() (err error) {
		fd, err = unix.Openat(dir, base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		return err
	})
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	sparse := h.Typeflag == tar.TypeGNUSparse || h.PAXRecords["GNU.sparse.major"] != "" || h.PAXRecords["GNU.sparse.size"] != ""
	size, err := a.write(fd, content, sparse)
	if err == nil && sparse {
		// The file may end with a hole.
		err = unix.Ftruncate(fd, size)
	}
	if err != nil {
		return fmt.Errorf("write the file: %w", err)
	}
	return nil
}

// write writes the content of a file. In a sparse file it leaves out blocks of zeros.
func (a *applier) write(fd int, content io.Reader, sparse bool) (size int64, err error) {
	zeros := a.buffer[:0]
	if sparse {
		zeros = make([]byte, len(a.buffer))
	}
	for {
		n, err := content.Read(a.buffer)
		data := a.buffer[:n]
		if !sparse || !bytes.Equal(data, zeros[:n]) {
			if err := writeAt(fd, data, size); err != nil {
				return size, err
			}
		}
		size += int64(n)
		if err == io.EOF {
			return size, nil
		}
		if err != nil {
			return size, fmt.Errorf("read the tar file: %w", err)
		}
	}
}

func writeAt(fd int, data []byte, at int64) error {
	for len(data) > 0 {
		n, err := unix.Pwrite(fd, data, at)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		data, at = data[n:], at+int64(n)
	}
	return nil
}

// setDirectory gives a directory the attributes of its entry. They replace all that it had, also its extended attributes.
func (a *applier) setDirectory(d *dir, h *tar.Header) error {
	d.own, d.times = true, a.now
	fd, err := a.fd(d)
	if err != nil {
		return err
	}
	if err := a.clearXattrs(fd); err != nil {
		return err
	}
	return a.setAttributes(fd, ".", h)
}

// setAttributes gives a file owner, mode, extended attributes and times. A new owner takes away setuid and capabilities, so the owner comes
// first. chown(2)
func (a *applier) setAttributes(dir int, name string, h *tar.Header) error {
	uid, gid := h.Uid, h.Gid
	if a.options.Squash {
		uid, gid = 0, 0
	}
	if uid < 0 || uid >= math.MaxUint32 || gid < 0 || gid >= math.MaxUint32 {
		return fmt.Errorf("owner %d:%d: must be numbers from 0 to %d", uid, gid, uint32(math.MaxUint32)-1)
	}
	err := unix.Fchownat(dir, name, uid, gid, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.EINVAL) {
		err = fmt.Errorf("%w (your user namespace has no such IDs: give yourself more in /etc/subuid and /etc/subgid)", err)
	}
	if err != nil {
		return fmt.Errorf("give the file to %d:%d: %w", uid, gid, err)
	}
	if h.Typeflag != tar.TypeSymlink {
		if err := unix.Fchmodat(dir, name, uint32(h.Mode)&0o7777, 0); err != nil {
			return fmt.Errorf("set the mode: %w", err)
		}
	}
	if err := setXattrs(dir, name, h); err != nil {
		return err
	}
	if err := unix.UtimesNanoAt(dir, name, a.now[:], unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("set the times: %w", err)
	}
	return nil
}

// xattrRecord begins the PAX records with extended attributes.
const xattrRecord = "SCHILY.xattr."

// isOverlays reports whether an extended attribute is one of overlay's own: such an attribute could lead overlay to another file.
func isOverlays(name string) bool {
	return strings.HasPrefix(name, "trusted.overlay.") || strings.HasPrefix(name, "user.overlay.")
}

// isLabel reports whether an extended attribute is for a security module, as security.selinux and security.ima. The labels of a file say what
// the policy of its host allows, so they come from this host, and not from the machine that has built the image. Capabilities are
// for programs of the image.
func isLabel(name string) bool {
	return strings.HasPrefix(name, "security.") && name != "security.capability"
}

// setXattrs sets the extended attributes of an entry, without labels and without those of overlay. xattr(7)
func setXattrs(dir int, name string, h *tar.Header) error {
	for _, record := range slices.Sorted(maps.Keys(h.PAXRecords)) {
		xattr, found := strings.CutPrefix(record, xattrRecord)
		if !found || isOverlays(xattr) || isLabel(xattr) {
			continue
		}
		// The path ends with a single name of the layer, which the call does not follow.
		file := fmt.Sprintf("/proc/self/fd/%d/%s", dir, name)
		err := unix.Lsetxattr(file, xattr, []byte(h.PAXRecords[record]), 0)
		// A file system need not have all kinds, and a link has no user attributes. But a program needs its capabilities.
		if (errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EPERM)) && xattr != "security.capability" {
			continue
		}
		if err != nil {
			return fmt.Errorf("set the extended attribute %q: %w", shortened(xattr), err)
		}
	}
	return nil
}

// clearXattrs removes the extended attributes of a directory, without labels and without those of overlay.
func (a *applier) clearXattrs(fd int) error {
	names := make([]byte, 64<<10)
	n, err := unix.Flistxattr(fd, names)
	if errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list the extended attributes: %w", err)
	}
	for name := range strings.SplitSeq(string(names[:n]), "\x00") {
		if name == "" || isOverlays(name) || isLabel(name) {
			continue
		}
		if err := unix.Fremovexattr(fd, name); err != nil && !errors.Is(err, unix.ENOTSUP) && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.ENODATA) {
			return fmt.Errorf("remove the extended attribute %q: %w", name, err)
		}
	}
	return nil
}
