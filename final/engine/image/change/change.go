//go:build linux

// Package change runs in final-helper, on the host side. It finds out what a container has changed: it reads the upper directory of the
// container's overlay, and the root directory below it. The verb diff lists the changes, and the verb commit writes them as a layer.
//
// Do not trust the two directories: the container may be running, and may change the upper directory at any moment. So each file is opened
// once, by the descriptor of its directory and a single name, and everything about the file is read from this descriptor. No symbolic link is
// followed, and only a regular file is opened for reading.
package change

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"
)

// A Tree is what a container sees as its root directory.
type Tree struct {
	// Upper is the open directory that the container writes to, and Lower the open root directory below it.
	Upper, Lower int
	// UID and GID are where the IDs of the container begin in the upper directory.
	UID, GID uint32
	// User says that overlay has the marks of an ordinary user's user namespace. overlayfs.rst of the kernel, "User xattr"
	User bool
	// Places are the paths of mounts in the container.
	Places []string
}

// maxDepth is how many directories may be above a file. Package layer has the same limit.
const maxDepth = 1000

// nobody is the owner of a file whose real owner has no ID in the user namespace. proc_sys_kernel(5), overflowuid
const nobody = 65534

// A file is a file of the upper directory, or of the root directory below if the upper directory has none of the name.
type file struct {
	path string
	// fd is open with O_PATH. It is -1 if the container has deleted the file.
	fd   int
	stat unix.Stat_t
	// lower is the file of the same path below, or -1.
	lower int
	below unix.Stat_t
	// covered says that an opaque directory hides the file below.
	covered bool
	opaque  bool
}

func (f *file) close() {
	for _, fd := range []int{f.fd, f.lower} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

func (f *file) isDirectory() bool { return f.fd >= 0 && f.stat.Mode&unix.S_IFMT == unix.S_IFDIR }

func (f *file) coversDirectory() bool {
	return f.lower >= 0 && f.below.Mode&unix.S_IFMT == unix.S_IFDIR
}

// A walk visits the files of a tree, a directory before the files in it.
type walk struct {
	*Tree
	// all says to visit the files that only the root directory below has, too.
	all    bool
	places map[string]bool
	visit  func(f *file) error
}

func (t *Tree) walk(all bool, visit func(f *file) error) error {
	w := &walk{t, all, map[string]bool{}, visit}
	for _, place := range t.Places {
		for at := path.Clean("/" + place); at != "/"; at = path.Dir(at) {
			w.places[at] = true
		}
	}
	root := &file{path: "/", fd: t.Upper, lower: t.Lower}
	if err := errors.Join(unix.Fstat(root.fd, &root.stat), unix.Fstat(root.lower, &root.below)); err != nil {
		return fmt.Errorf("stat the root directory: %w", err)
	}
	t.mapOwner(root)
	if err := visit(root); err != nil {
		return err
	}
	return w.directory(root, t.Upper, false, 0)
}

// directory visits the files in a directory. upper is -1 for a directory that only shows from below. covered says that a directory above is
// opaque.
func (w *walk) directory(d *file, upper int, covered bool, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%q has more than %d directories above it", shortened(d.path), maxDepth)
	}
	lower := -1
	if d.coversDirectory() {
		lower = d.lower
	}
	covered = covered || d.opaque
	own, err := namesIn(upper)
	if err != nil {
		return fmt.Errorf("read %q: %w", shortened(d.path), err)
	}
	// What else is below matters only to commit of a root file system, and where an opaque directory hides it.
	var below []string
	if covered || w.all {
		if below, err = namesIn(lower); err != nil {
			return fmt.Errorf("read %q below: %w", shortened(d.path), err)
		}
	}
	names := slices.Concat(own, below)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if err := w.file(path.Join(d.path, name), name, upper, lower, covered, depth); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) file(at, name string, upper, lower int, covered bool, depth int) error {
	f := &file{path: at, fd: -1, lower: -1, covered: covered}
	defer f.close()
	var err error
	if f.lower, err = openBelow(lower, name, &f.below); err != nil {
		return fmt.Errorf("open %q below: %w", shortened(at), err)
	}
	if f.fd, err = openBelow(upper, name, &f.stat); err != nil {
		return fmt.Errorf("open %q: %w", shortened(at), err)
	}
	own := f.fd >= 0
	switch {
	case own && f.stat.Mode&unix.S_IFMT == unix.S_IFCHR && f.stat.Rdev == 0:
		// This is how overlay writes that a file is deleted.
		unix.Close(f.fd)
		f.fd = -1
		if f.lower < 0 {
			return nil
		}
		return w.visit(f)
	case !own && f.lower < 0:
		// Somebody has removed the file since its directory was read.
		return nil
	case !own && covered:
		return w.visit(f)
	case !own && !w.all:
		return nil
	case !own:
		if f.fd, err = unix.Dup(f.lower); err != nil {
			return os.NewSyscallError("dup", err)
		}
		f.stat = f.below
		w.mapLower(&f.stat)
	default:
		if err := w.own(f); err != nil || f.lower < 0 && w.isPlace(f.fd, &f.stat, at) {
			return err
		}
	}
	if err := w.visit(f); err != nil || !f.isDirectory() {
		return err
	}
	if !own {
		return w.directory(f, -1, false, depth+1)
	}
	return w.directory(f, f.fd, covered, depth+1)
}

// own reads the marks of overlay on a file of the upper directory.
func (w *walk) own(f *file) error {
	for _, mark := range []string{"redirect", "metacopy"} {
		if _, err := xattr(f.fd, w.marks()+mark); err == nil {
			return fmt.Errorf("%q: the overlay has only a reference to a file here (%s), which final does not follow: turn off redirect_dir and metacopy of the kernel's module overlay", shortened(f.path), mark)
		}
	}
	if f.isDirectory() {
		value, err := xattr(f.fd, w.marks()+"opaque")
		f.opaque = err == nil && string(value) == "y"
	}
	w.mapOwner(f)
	return nil
}

// marks is how the names of overlay's own attributes begin.
func (t *Tree) marks() string {
	if t.User {
		return "user.overlay."
	}
	return "trusted.overlay."
}

// mapOwner turns the IDs of the host into those of the container.
func (t *Tree) mapOwner(f *file) {
	f.stat.Uid, f.stat.Gid = inside(f.stat.Uid, t.UID), inside(f.stat.Gid, t.GID)
	t.mapLower(&f.below)
}

func inside(id, first uint32) uint32 {
	if id < first {
		// Nobody in the container owns the file, as in the container itself.
		return nobody
	}
	return id - first
}

// mapLower gives the files of the host's root to the root of an ordinary user's container.
func (t *Tree) mapLower(stat *unix.Stat_t) {
	if t.User && stat.Uid == nobody {
		stat.Uid = 0
	}
	if t.User && stat.Gid == nobody {
		stat.Gid = 0
	}
}

// isPlace reports whether final itself has made a file for a mount, or a directory for such files alone. A mount covers the file, so the
// container has never seen it.
func (w *walk) isPlace(fd int, stat *unix.Stat_t, at string) bool {
	if !w.places[at] {
		return false
	}
	switch stat.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return stat.Size == 0
	case unix.S_IFDIR:
	default:
		return false
	}
	names, err := namesIn(fd)
	return err == nil && !slices.ContainsFunc(names, func(name string) bool {
		var below unix.Stat_t
		child, err := openBelow(fd, name, &below)
		if err != nil || child < 0 {
			return err != nil
		}
		defer unix.Close(child)
		return !w.isPlace(child, &below, path.Join(at, name))
	})
}

// openBelow opens a file in a directory, or returns -1 if there is none, or if the file is on another mount: overlay does not show that either.
func openBelow(dir int, name string, stat *unix.Stat_t) (int, error) {
	if dir < 0 {
		return -1, nil
	}
	fd, err := unix.Openat2(dir, name, &unix.OpenHow{Flags: unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_MAGICLINKS})
	if err == unix.ENOENT || err == unix.EXDEV {
		return -1, nil
	}
	if err != nil {
		return -1, err
	}
	if err := unix.Fstat(fd, stat); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// namesIn lists a directory, which is open, or -1 for no directory.
func namesIn(dir int) ([]string, error) {
	if dir < 0 {
		return nil, nil
	}
	fd, err := unix.Openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "directory")
	defer file.Close()
	return file.Readdirnames(-1)
}

// shortened keeps a line of an error readable.
func shortened(name string) string {
	const most = 200
	if len(name) > most {
		return name[:most] + "…"
	}
	return name
}
