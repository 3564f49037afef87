//go:build linux

package owned

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// maxOpen is the number of directories that a removal has open at once.
const maxOpen = 16

// batch is the number of names that a removal reads at once.
const batch = 1024

// A level is a directory on the way down. Only the last few levels are open: a container can nest more directories than a process
// may have descriptors, and its paths can be longer than the kernel takes. A removal recognizes a closed directory by its inode.
type level struct {
	inode uint64
	// file is nil while the directory is closed.
	file *os.File
	// name is empty after the directory has been closed.
	name string
	// names are the entries that the removal has read, but not removed yet.
	names []string
	// progress says that an entry has gone since the removal began to read the directory.
	progress bool
}

// A removal removes a tree. levels leads from the directory that the caller has open to the deepest directory.
type removal struct {
	name   string
	levels []*level
}

// Remove removes a file, or a directory with everything below it, from an open directory. It follows no symbolic link and does not
// cross into another mount. A file that does not exist is no error. However deep the tree is, Remove opens only a few directories at
// once, and passes only single names to the kernel.
func Remove(dir int, name string) error {
	top, err := unix.Openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	r := &removal{name: name}
	defer r.close()
	if err := r.push(top, ""); err != nil {
		return err
	}
	if err := r.remove(name); err != nil {
		return err
	}
	for len(r.levels) > 1 {
		if err := r.step(); err != nil {
			return err
		}
	}
	return nil
}

// step removes the next entry of the deepest directory, or the directory itself when it is empty.
func (r *removal) step() error {
	l := r.levels[len(r.levels)-1]
	if len(l.names) == 0 {
		var err error
		if l.names, err = l.file.Readdirnames(batch); err != nil && err != io.EOF {
			return r.failed("read", "", err)
		}
	}
	switch {
	case len(l.names) > 0:
		name := l.names[0]
		l.names = l.names[1:]
		return r.remove(name)
	case l.progress:
		// Some file systems leave out entries of a directory while other entries go: look again.
		return l.rewind()
	}
	return r.pop()
}

// rewind makes the removal read a directory from its beginning again.
func (l *level) rewind() error {
	l.names, l.progress = nil, false
	_, err := l.file.Seek(0, io.SeekStart)
	return err
}

// remove removes an entry of the deepest directory. If the entry is a directory with entries of its own, remove goes down.
func (r *removal) remove(name string) error {
	l := r.levels[len(r.levels)-1]
	dir := int(l.file.Fd())
	err := unix.Unlinkat(dir, name, 0)
	if err == unix.EISDIR {
		err = unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
	}
	if err == nil {
		l.progress = true
	}
	if err == nil || err == unix.ENOENT {
		return nil
	}
	if err != unix.ENOTEMPTY && err != unix.EEXIST {
		return r.failed("remove", name, err)
	}
	fd, err := openBelow(dir, name)
	if err == unix.ENOENT {
		return nil
	}
	if err != nil {
		return r.failed("open", name, err)
	}
	return r.push(fd, name)
}

// openBelow opens a directory in an open directory. Both have to be on the same mount. openat2(2)
func openBelow(dir int, name string) (int, error) {
	for {
		fd, err := unix.Openat2(dir, name, &unix.OpenHow{
			Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_SYMLINKS,
		})
		if err != unix.EINTR && err != unix.EAGAIN {
			return fd, err
		}
	}
}

// push goes down into a directory, and closes a directory far above.
func (r *removal) push(fd int, name string) error {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		unix.Close(fd)
		return r.failed("stat", name, err)
	}
	r.levels = append(r.levels, &level{inode: stat.Ino, file: os.NewFile(uintptr(fd), name), name: name})
	// The first level stays open: it belongs to the caller, and the removal cannot find it again.
	if far := len(r.levels) - maxOpen; far > 0 {
		l := r.levels[far]
		l.file.Close()
		*l = level{inode: l.inode}
		if far == 1 {
			// The first level has entries that are not to be removed, so the removal must not read it to find this name.
			l.name = r.name
		}
	}
	return nil
}

// pop goes back up and removes the empty directory. A directory that was closed in between has lost its name: then the removal reads
// the directory above again, and finds the empty directory there. If the directory above is closed too, pop opens it by "..".
func (r *removal) pop() error {
	last := len(r.levels) - 1
	l, above := r.levels[last], r.levels[last-1]
	defer l.file.Close()
	above.progress = true
	if above.file == nil {
		fd, err := openBelow(int(l.file.Fd()), "..")
		if err != nil {
			return r.failed("open", "..", err)
		}
		above.file = os.NewFile(uintptr(fd), "..")
		var stat unix.Stat_t
		if err := unix.Fstat(fd, &stat); err != nil || stat.Ino != above.inode {
			return r.failed("open", "..", errors.Join(err, errors.New("somebody has moved the directory")))
		}
		r.levels = r.levels[:last]
		return nil
	}
	r.levels = r.levels[:last]
	if l.name == "" {
		return above.rewind()
	}
	if err := unix.Unlinkat(int(above.file.Fd()), l.name, unix.AT_REMOVEDIR); err != nil && err != unix.ENOENT {
		return r.failed("remove", l.name, err)
	}
	return nil
}

// close closes all levels.
func (r *removal) close() {
	for _, l := range r.levels {
		if l.file != nil {
			l.file.Close()
		}
	}
}

// failed adds the path to an error. A path that begins with ... leads through directories whose names are lost.
func (r *removal) failed(operation, name string, err error) error {
	where := name
	for i := len(r.levels) - 1; i > 0; i-- {
		if r.levels[i].name == "" {
			where = path.Join("...", where)
			break
		}
		where = path.Join(r.levels[i].name, where)
	}
	err = &os.PathError{Op: operation, Path: where, Err: err}
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w (if the file is immutable or append-only: chattr -ia)", err)
	case errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EXDEV):
		return fmt.Errorf("%w (something is mounted there: unmount it with umount)", err)
	}
	return err
}
