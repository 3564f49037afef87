//go:build linux

package layer

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"container-workshop/final/more/copyup"
	"container-workshop/final/owned"
	"container-workshop/final/rootfs"
)

// directory returns a directory of the layer, and makes it and those above it if they are missing.
func (t *tree) directory(at []string, own bool) (*dir, error) {
	d := t.root
	d.own = d.own || own
	for _, name := range at {
		next := d.children[name]
		if next == nil {
			var err error
			if next, err = t.mkdir(d, name, false); err != nil {
				return nil, err
			}
		}
		next.own = next.own || own
		d = next
	}
	return d, nil
}

// mkdir makes a directory of the layer, which is none yet. Unless it has an entry of its own, it gets the attributes that it has below.
func (t *tree) mkdir(parent *dir, name string, entry bool) (*dir, error) {
	if !entry {
		// A path of one entry may make a thousand directories.
		if err := t.budget.entry(); err != nil {
			return nil, err
		}
	}
	fd, err := t.fd(parent)
	if err != nil {
		return nil, err
	}
	replaces := false
	if err = unix.Mkdirat(fd, name, 0o700); err == unix.EEXIST {
		// A whiteout, or a file: it has hidden what is below, and the new directory hides it, too.
		replaces = true
		if err = t.remove(parent, name); err == nil {
			err = unix.Mkdirat(fd, name, 0o700)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("create the directory %q: %w", name, err)
	}
	d := &dir{parent: parent, name: name, times: t.now}
	if parent.children == nil {
		parent.children = map[string]*dir{}
	}
	parent.children[name] = d
	if parent.shines {
		kind, _, _, err := lookIn(t.lower, d.path())
		if err != nil {
			return nil, err
		}
		d.shines = kind == unix.S_IFDIR && !replaces
		if kind == unix.S_IFDIR && replaces {
			if err := t.setOpaque(d); err != nil {
				return nil, err
			}
		}
	}
	switch {
	case entry:
		return d, nil
	case d.shines:
		return d, t.copyDirectory(d)
	}
	if fd, err = t.fd(d); err != nil {
		return nil, err
	}
	return d, errors.Join(unix.Fchown(fd, 0, 0), unix.Fchmod(fd, 0o755))
}

// copyDirectory gives a directory the attributes that it has in the layers below.
func (t *tree) copyDirectory(d *dir) error {
	name := d.path()
	from, err := rootfs.Root(t.lower).Resolve(name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0, plain)
	if err != nil {
		return err
	}
	defer unix.Close(from)
	to, err := t.fd(d)
	if err != nil {
		return err
	}
	var stat unix.Stat_t
	if err := unix.Fstat(from, &stat); err != nil {
		return fmt.Errorf("stat %q below: %w", name, err)
	}
	d.times = [2]unix.Timespec{stat.Atim, stat.Mtim}
	return copyup.Copy{Proc: "/proc"}.Attributes(from, to, name)
}

// remove removes a file of the layer, or a directory with everything in it.
func (t *tree) remove(parent *dir, name string) error {
	fd, err := t.fd(parent)
	if err != nil {
		return err
	}
	t.found = nil
	if parent.children[name] == nil {
		return unix.Unlinkat(fd, name, 0)
	}
	delete(parent.children, name)
	return owned.Remove(fd, name)
}

// setTimes sets the times of a directory and of those in it.
func (t *tree) setTimes(d *dir) error {
	for _, child := range d.children {
		if err := t.setTimes(child); err != nil {
			return err
		}
	}
	err := unix.UtimesNanoAt(t.upper, d.path(), d.times[:], unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return fmt.Errorf("set the times of %q: %w", d.path(), err)
	}
	return nil
}
