//go:build linux

package layer

import (
	"errors"
	"fmt"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// The names of the specification for what a layer removes from the layers below it: a file .wh.NAME removes NAME, and a file .wh..wh..opq
// empties its directory. Other names that begin with .wh..wh. were the notes of an older file system.
const (
	whiteoutPrefix = ".wh."
	opaqueName     = ".wh..wh..opq"
	notePrefix     = ".wh..wh."
)

// whiteout hides a file of the layers below. It never hides a file of the same layer, whichever entry comes first.
func (a *applier) whiteout(parents []string, name string) error {
	at, err := a.resolve(parents, a.budget.Depth)
	if errors.Is(err, unix.ENOTDIR) {
		// The layer has a file in place of the directory, which hides it all.
		return nil
	}
	if err != nil {
		return err
	}
	return a.hide(at, name)
}

func (t *tree) hide(at []string, name string) error {
	parent, rest := t.deepest(at)
	if len(rest) == 0 {
		if d := parent.children[name]; d != nil && d.own {
			return t.hideBelow(d)
		} else if d != nil {
			// There is nothing in it but whiteouts, and the new one hides it all.
			if err := t.remove(parent, name); err != nil {
				return fmt.Errorf("remove whiteouts: %w", err)
			}
		}
	}
	kind, _, here, err := t.look(append(at[:len(at):len(at)], name))
	if err != nil || here || kind == missing {
		return err
	}
	if parent, err = t.directory(at, false); err != nil {
		return err
	}
	t.found = nil
	fd, err := t.fd(parent)
	if err == nil {
		err = unix.Mknodat(fd, name, unix.S_IFCHR, 0)
	}
	if err == nil {
		err = unix.UtimesNanoAt(fd, name, t.now[:], unix.AT_SYMLINK_NOFOLLOW)
	}
	if err != nil {
		return fmt.Errorf("create a whiteout: %w", err)
	}
	return nil
}

// opaqueDir hides all files of the layers below in a directory.
func (a *applier) opaqueDir(parents []string) error {
	at, err := a.resolve(parents, a.budget.Depth)
	if errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	kind, _, _, err := a.look(at)
	if err != nil || kind != unix.S_IFDIR {
		return err
	}
	d, err := a.directory(at, true)
	if err != nil {
		return err
	}
	if d.parent == nil {
		return a.hideAll()
	}
	return a.hideBelow(d)
}

// hideAll hides everything below by whiteouts: overlay does not ask whether its root directory is opaque.
func (t *tree) hideAll() error {
	if t.lower < 0 || t.emptied {
		return nil
	}
	t.emptied = true
	names, err := namesIn(t.lower)
	for _, name := range names {
		if err == nil {
			err = t.hide(nil, name)
		}
	}
	return err
}

// hideBelow hides what shows in a directory of the layers below. Whiteouts in the directory are not needed any more.
func (t *tree) hideBelow(d *dir) error {
	if !d.shines {
		return nil
	}
	if err := t.setOpaque(d); err != nil {
		return err
	}
	return t.forget(d)
}

func (t *tree) setOpaque(d *dir) error {
	fd, err := t.fd(d)
	if err == nil {
		err = unix.Fsetxattr(fd, t.opaque, []byte("y"), 0)
	}
	if err != nil {
		return fmt.Errorf("make a directory opaque (%s): %w", t.opaque, err)
	}
	return nil
}

// forget removes the whiteouts in a directory below which nothing shows any more.
func (t *tree) forget(d *dir) error {
	d.shines = false
	fd, err := t.fd(d)
	if err != nil {
		return err
	}
	names, err := namesIn(fd)
	if err != nil {
		return err
	}
	for _, name := range names {
		child := d.children[name]
		switch {
		case child != nil && child.own && child.shines:
			err = t.forget(child)
		case child != nil && !child.own:
			err = t.remove(d, name)
		case child == nil:
			err = t.removeWhiteout(d, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *tree) removeWhiteout(d *dir, name string) error {
	_, _, whiteout, err := lookIn(t.upper, path.Join(d.path(), name))
	if err == nil && whiteout {
		err = t.remove(d, name)
	}
	return err
}

// namesIn lists a directory, which is open.
func namesIn(dir int) ([]string, error) {
	fd, err := unix.Openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open a directory: %w", err)
	}
	file := os.NewFile(uintptr(fd), "directory")
	defer file.Close()
	return file.Readdirnames(-1)
}
