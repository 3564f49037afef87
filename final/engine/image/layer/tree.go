//go:build linux

package layer

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"container-workshop/final/rootfs"
)

// A dir is a directory of the layer. The layer begins empty and only we write to it, so the tree has all its directories.
type dir struct {
	parent *dir
	name   string
	// children are the directories in it.
	children map[string]*dir
	// shines says that the layers below have the same directory, and that their files show through.
	shines bool
	// own says that the tar file has an entry for the directory, or for a file below it. Other directories are only here for whiteouts.
	own bool
	// times are those of access and modification, to set at the end.
	times [2]unix.Timespec
}

// path is the path below the root directory of the layer.
func (d *dir) path() string {
	if d.parent == nil {
		return "."
	}
	return path.Join(d.parent.path(), d.name)
}

// A tree is the layer, and what shows of the layers below.
type tree struct {
	// upper is the directory of the layer. lower is the root directory that the layers below show, or -1.
	upper, lower int
	opaque       string
	budget       budget
	root         *dir
	// emptied says that nothing below shows in the root directory any more: a second look would take as long as the first.
	emptied bool
	// now is the time of the entry that is being unpacked. Directories that no layer has an entry for get it.
	now [2]unix.Timespec
	// open is the directory that was used last, with its descriptor. Neighbours in a tar file are neighbours in the tree.
	open   *dir
	openFD int
	// found is the directory that the path in foundAt has led to.
	found   *dir
	foundAt string
}

func newTree(upper, lower int, userXattr bool) tree {
	opaque := "trusted.overlay.opaque"
	if userXattr {
		opaque = "user.overlay.opaque"
	}
	return tree{upper: upper, lower: lower, opaque: opaque, root: &dir{shines: lower >= 0}, openFD: -1}
}

func (t *tree) close() {
	unix.Close(t.openFD)
	t.open, t.openFD, t.found = nil, -1, nil
}

// plain are paths that lead through directories only, and not out of the layer.
const plain = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS

// fd returns a descriptor of a directory of the layer. It stays open until the next call.
func (t *tree) fd(d *dir) (int, error) {
	if t.open == d {
		return t.openFD, nil
	}
	fd, err := rootfs.Root(t.upper).Resolve(d.path(), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0, plain)
	if err != nil {
		return -1, err
	}
	unix.Close(t.openFD)
	t.open, t.openFD = d, fd
	return fd, nil
}

// missing is the type of a file that does not exist.
const missing = 0

// lookIn returns the type of a file, and the target of a symbolic link. A whiteout is missing, and is whiteout.
func lookIn(root int, name string) (kind uint32, target string, whiteout bool, err error) {
	fd, err := rootfs.Root(root).Resolve(name, unix.O_PATH|unix.O_NOFOLLOW, 0, plain)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
		return missing, "", false, nil
	case err != nil:
		return missing, "", false, err
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return missing, "", false, fmt.Errorf("stat: %w", err)
	}
	kind = stat.Mode & unix.S_IFMT
	if kind == unix.S_IFCHR && stat.Rdev == 0 {
		return missing, "", true, nil
	}
	if kind == unix.S_IFLNK {
		link := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(fd, "", link)
		if err != nil {
			return missing, "", false, fmt.Errorf("read a link: %w", err)
		}
		target = string(link[:n])
	}
	return kind, target, false, nil
}

// look returns what a path leads to in the merged tree, and whether that is in this layer. The directories of the path are no links.
func (t *tree) look(at []string) (kind uint32, target string, here bool, err error) {
	d, rest := t.deepest(at)
	if len(rest) == 0 {
		return unix.S_IFDIR, "", true, nil
	}
	kind, target, whiteout, err := lookIn(t.upper, path.Join(d.path(), rest[0]))
	if err != nil || whiteout || kind != missing {
		if len(rest) > 1 {
			kind, target = missing, ""
		}
		return kind, target, true, err
	}
	if d.shines {
		kind, target, _, err = lookIn(t.lower, strings.Join(at, "/"))
	}
	return kind, target, false, err
}

// deepest returns the last directory of a path that is in the layer, and the rest of the path.
func (t *tree) deepest(at []string) (*dir, []string) {
	d := t.root
	for i, name := range at {
		next := d.children[name]
		if next == nil {
			return d, at[i:]
		}
		d = next
	}
	return d, nil
}

// maxLinks is how many symbolic links a path may have. The kernel has the same limit. path_resolution(7)
const maxLinks = 40

// resolve follows the symbolic links in the path of a directory, and returns a path without links. Directories on it may be missing.
func (t *tree) resolve(names []string, depth int) ([]string, error) {
	var at []string
	for links := 0; len(names) > 0; {
		name := names[0]
		names = names[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			at = at[:max(len(at)-1, 0)]
			continue
		}
		at = append(at, name)
		if len(at) > depth {
			return nil, fmt.Errorf("more than %d nested directories, and final unpacks no more", depth)
		}
		if length(at) >= unix.PathMax {
			return nil, unix.ENAMETOOLONG
		}
		kind, target, here, err := t.look(at)
		switch {
		case err != nil:
			return nil, err
		case kind == unix.S_IFLNK:
			if links++; links > maxLinks {
				return nil, fmt.Errorf("follow %q: %w", name, unix.ELOOP)
			}
			names = slices.Concat(strings.Split(target, "/"), names)
			at = at[:len(at)-1]
			if path.IsAbs(target) {
				at = nil
			}
		case kind != missing && kind != unix.S_IFDIR && here:
			return nil, fmt.Errorf("%q is a file in the same layer: %w", name, unix.ENOTDIR)
		}
	}
	return at, nil
}

// length is the length of a path.
func length(at []string) (n int) {
	for _, name := range at {
		n += len(name) + 1
	}
	return n
}
