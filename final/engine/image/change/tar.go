//go:build linux

package change

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The names of the specification for what a layer deletes. https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md
const (
	whiteoutPrefix = ".wh."
	opaqueName     = ".wh..wh..opq"
)

// maxEntries is how many files a layer may have. Package layer has the same limit.
const maxEntries = 2_000_000

// A writer writes the tar file of a layer.
type writer struct {
	*Tree
	*tar.Writer
	// links has the first name of each file with several names.
	links map[inode]string
	// left are the bytes that files may still have, and entries how many files there may still be.
	left    int64
	entries int
}

type inode struct{ device, number uint64 }

// Write writes the changes as the tar file of a layer, and the whole root directory if all is true. The files may have at most this many
// bytes, with their holes.
func (t *Tree) Write(to io.Writer, all bool, most int64) error {
	w := &writer{t, tar.NewWriter(to), map[inode]string{}, most, maxEntries}
	err := t.walk(all, func(f *file) error {
		if w.entries--; w.entries < 0 {
			return fmt.Errorf("the container has changed more than %d files, which is too much for a layer", maxEntries)
		}
		if err := w.file(f, all); err != nil {
			return fmt.Errorf("write %q into the layer: %w", shortened(f.path), err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return w.Close()
}

func (w *writer) file(f *file, all bool) error {
	base := path.Base(f.path)
	if f.fd < 0 {
		if f.covered || all {
			return nil
		}
		return w.empty(f, path.Join(path.Dir(f.path), whiteoutPrefix+base))
	}
	if strings.HasPrefix(base, whiteoutPrefix) {
		return errors.New("in an image, a file of this name deletes another file (remove or rename the file)")
	}
	header, err := w.header(f)
	if err != nil || header == nil {
		return err
	}
	if header.Typeflag != tar.TypeReg {
		err = w.WriteHeader(header)
	} else {
		err = w.content(f, header)
	}
	if err == nil && f.opaque && f.coversDirectory() && !f.covered && !all {
		err = w.empty(f, path.Join(f.path, opaqueName))
	}
	return err
}

// empty writes a file that only has a name.
func (w *writer) empty(f *file, name string) error {
	return w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: relative(name), ModTime: timeOf(&f.stat), Format: tar.FormatPAX})
}

func relative(name string) string { return strings.TrimPrefix(name, "/") }

func timeOf(stat *unix.Stat_t) time.Time { return time.Unix(stat.Mtim.Unix()) }

// header describes a file. It is nil for a socket, which is nothing without its process.
func (w *writer) header(f *file) (*tar.Header, error) {
	h := &tar.Header{Name: relative(f.path), Mode: int64(f.stat.Mode & 0o7777), Uid: int(f.stat.Uid), Gid: int(f.stat.Gid), ModTime: timeOf(&f.stat), Format: tar.FormatPAX}
	kind := f.stat.Mode & unix.S_IFMT
	if kind != unix.S_IFDIR && f.stat.Nlink > 1 {
		i := inode{f.stat.Dev, f.stat.Ino}
		if first, known := w.links[i]; known {
			h.Typeflag, h.Linkname = tar.TypeLink, first
			return h, nil
		}
		w.links[i] = h.Name
	}
	switch kind {
	case unix.S_IFDIR:
		h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
		if f.path == "/" {
			h.Name = "./"
		}
	case unix.S_IFREG:
		h.Typeflag, h.Size = tar.TypeReg, f.stat.Size
	case unix.S_IFLNK:
		target := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(f.fd, "", target)
		if err != nil {
			return nil, fmt.Errorf("read the link: %w", err)
		}
		h.Typeflag, h.Linkname = tar.TypeSymlink, string(target[:n])
	case unix.S_IFCHR, unix.S_IFBLK:
		h.Typeflag, h.Devmajor, h.Devminor = tar.TypeChar, int64(unix.Major(f.stat.Rdev)), int64(unix.Minor(f.stat.Rdev))
		if kind == unix.S_IFBLK {
			h.Typeflag = tar.TypeBlock
		}
	case unix.S_IFIFO:
		h.Typeflag = tar.TypeFifo
	default:
		return nil, nil
	}
	attributes, err := w.xattrs(f.fd, w.UID)
	if err != nil {
		return nil, err
	}
	for name, value := range attributes {
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords["SCHILY.xattr."+name] = value
	}
	return h, nil
}

// content writes a regular file.
func (w *writer) content(f *file, h *tar.Header) error {
	if w.left -= h.Size; w.left < 0 {
		return errors.New("the files are too large for the disk, or for a layer (make room, or remove large files from the container)")
	}
	content, err := os.Open(proc(f.fd))
	if err != nil {
		return err
	}
	defer content.Close()
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	n, err := io.Copy(w.Writer, io.LimitReader(content, h.Size))
	if err == nil && n < h.Size {
		err = errors.New("the file has become shorter meanwhile (leave out --pause=false, or stop the container)")
	}
	return err
}
