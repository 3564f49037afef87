//go:build linux

package layer

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"container-workshop/final/more/copyup"
	"container-workshop/final/rootfs"
)

// entry unpacks one entry.
func (a *applier) entry(h *tar.Header, content io.Reader) error {
	if err := a.budget.entry(); err != nil {
		return err
	}
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	names, err := components(h.Name)
	if err != nil {
		return err
	}
	a.now = timesOf(h)
	if a.summary.Entries == 1 && a.lower < 0 {
		a.root.times = a.now
	}
	if len(names) == 0 {
		if h.Typeflag != tar.TypeDir {
			return errors.New("the root directory of a layer must be a directory")
		}
		return a.setDirectory(a.root, h)
	}
	parents, base := names[:len(names)-1], names[len(names)-1]
	for _, name := range parents {
		if strings.HasPrefix(name, whiteoutPrefix) {
			return fmt.Errorf("%q is a whiteout: no file can be in it", name)
		}
	}
	hidden, isWhiteout := strings.CutPrefix(base, whiteoutPrefix)
	switch {
	case base == opaqueName:
		return a.opaqueDir(parents)
	case strings.HasPrefix(base, notePrefix):
		return nil
	case isWhiteout && (hidden == "" || hidden == "." || hidden == ".."):
		return errors.New("a whiteout must have the name of a file, as in .wh.NAME")
	case isWhiteout:
		return a.whiteout(parents, hidden)
	case h.Typeflag == tar.TypeChar && h.Devmajor == 0 && h.Devminor == 0:
		// This is how overlay itself writes a whiteout.
		return a.whiteout(parents, base)
	}
	return a.create(parents, base, h, content)
}

// components splits the path of an entry. An absolute path begins at the root directory of the layer.
func components(name string) ([]string, error) {
	if len(name) >= unix.PathMax {
		return nil, unix.ENAMETOOLONG
	}
	var names []string
	for part := range strings.SplitSeq(name, "/") {
		switch part {
		case "", ".":
		case "..":
			return nil, errors.New("the path must not have .. in it")
		default:
			names = append(names, part)
		}
	}
	return names, nil
}

// timesOf returns the times of a file. Few tar files have a time of access.
func timesOf(h *tar.Header) [2]unix.Timespec {
	access := h.AccessTime
	if access.IsZero() {
		access = h.ModTime
	}
	spec := func(t time.Time) unix.Timespec { return unix.Timespec{Sec: t.Unix(), Nsec: int64(t.Nanosecond())} }
	return [2]unix.Timespec{spec(access), spec(h.ModTime)}
}

// parentOf returns the directory that a path of the tar file leads to.
func (a *applier) parentOf(parents []string) (*dir, error) {
	name := strings.Join(parents, "/")
	if a.found != nil && a.foundAt == name {
		return a.found, nil
	}
	at, err := a.resolve(parents, a.budget.Depth)
	if err != nil {
		return nil, err
	}
	d, err := a.directory(at, true)
	if err != nil {
		return nil, err
	}
	a.found, a.foundAt = d, name
	return d, nil
}

// create makes a file of any type, and replaces what the layer has at its place.
func (a *applier) create(parents []string, base string, h *tar.Header, content io.Reader) error {
	parent, err := a.parentOf(parents)
	if err != nil {
		return err
	}
	fd, err := a.fd(parent)
	if err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		d := parent.children[base]
		if d == nil {
			if d, err = a.mkdir(parent, base, true); err != nil {
				return err
			}
		}
		d.own = true
		return a.setDirectory(d, h)
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		if err := a.createFile(parent, base, h, content); err != nil {
			return err
		}
	case tar.TypeLink:
		return a.createLink(parent, base, h.Linkname)
	case tar.TypeSymlink:
		if err := a.place(parent, base, func() error { return unix.Symlinkat(h.Linkname, fd, base) }); err != nil {
			return err
		}
	case tar.TypeFifo:
		if err := a.place(parent, base, func() error { return unix.Mknodat(fd, base, unix.S_IFIFO|0o600, 0) }); err != nil {
			return err
		}
	case tar.TypeChar, tar.TypeBlock:
		if !a.options.Devices {
			return a.drop(parent, base)
		}
		if err := a.createDevice(parent, base, h); err != nil {
			return err
		}
	default:
		return fmt.Errorf("entries of type %q are not supported: must be a file, directory, link, FIFO or device", h.Typeflag)
	}
	return a.setAttributes(fd, base, h)
}

// place makes a file, after what the layer has at its place is gone.
func (t *tree) place(parent *dir, name string, create func() error) error {
	err := create()
	if err == unix.EEXIST {
		if err = t.remove(parent, name); err == nil {
			err = create()
		}
	}
	if err != nil {
		return fmt.Errorf("create the file: %w", err)
	}
	return nil
}

func (a *applier) createDevice(parent *dir, base string, h *tar.Header) error {
	kind := uint32(unix.S_IFCHR)
	if h.Typeflag == tar.TypeBlock {
		kind = unix.S_IFBLK
	}
	fd, err := a.fd(parent)
	if err != nil {
		return err
	}
	if h.Devmajor < 0 || h.Devmajor > 1<<12-1 || h.Devminor < 0 || h.Devminor > 1<<20-1 {
		return fmt.Errorf("device %d:%d: there is no such number", h.Devmajor, h.Devminor)
	}
	number := int(unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor)))
	return a.place(parent, base, func() error { return unix.Mknodat(fd, base, kind|0o600, number) })
}

// drop leaves a device node out. Nothing else shows at its place either.
func (a *applier) drop(parent *dir, base string) error {
	a.summary.Dropped++
	if err := a.remove(parent, base); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	at, err := components(parent.path())
	if err != nil {
		return err
	}
	return a.hide(at, base)
}

// createLink makes a hard link. If its target is in the layers below, the layer gets a copy of the target first, as overlay itself would
// do it.
func (a *applier) createLink(parent *dir, base, linkname string) error {
	names, err := components(linkname)
	if err != nil {
		return fmt.Errorf("hard link to %q: %w", shortened(linkname), err)
	}
	if len(names) == 0 {
		return fmt.Errorf("hard link to %q: must be a file of the image", linkname)
	}
	at, err := a.resolve(names[:len(names)-1], a.budget.Depth)
	if err != nil {
		return fmt.Errorf("hard link to %q: %w", shortened(linkname), err)
	}
	targetName := names[len(names)-1]
	kind, _, here, err := a.look(append(at[:len(at):len(at)], targetName))
	switch {
	case err != nil:
		return err
	case kind == missing:
		return fmt.Errorf("hard link to %q: %w", shortened(linkname), unix.ENOENT)
	case kind == unix.S_IFDIR:
		return fmt.Errorf("hard link to %q: a directory can have no hard link", shortened(linkname))
	}
	target, err := a.directory(at, true)
	if err != nil {
		return err
	}
	if !here {
		if err := a.copyFile(target, targetName); err != nil {
			return fmt.Errorf("hard link to %q: %w", shortened(linkname), err)
		}
	}
	if target == parent && targetName == base {
		return nil
	}
	to, err := a.fd(parent)
	if err != nil {
		return err
	}
	// The descriptor of the target's directory must not take the place of the other.
	from, err := rootfs.Root(a.upper).Resolve(target.path(), unix.O_PATH|unix.O_DIRECTORY, 0, plain)
	if err != nil {
		return err
	}
	defer unix.Close(from)
	return a.place(parent, base, func() error { return unix.Linkat(from, targetName, to, base, 0) })
}

// copyFile copies a file of the layers below into the layer.
func (a *applier) copyFile(parent *dir, name string) error {
	from, err := rootfs.Root(a.lower).Resolve(parent.path(), unix.O_PATH|unix.O_DIRECTORY, 0, plain)
	if err != nil {
		return err
	}
	defer unix.Close(from)
	var stat unix.Stat_t
	if err := unix.Fstatat(from, name, &stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("stat: %w", err)
	}
	if err := a.budget.file(&a.summary.Bytes, stat.Size); err != nil {
		return err
	}
	to, err := a.fd(parent)
	if err != nil {
		return err
	}
	return copyup.Copy{Proc: "/proc"}.File(from, to, name)
}
