//go:build linux

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// An entry is a file, directory, link, FIFO or mount. Its Mode says which: the bits of stat(2), or 0 for a tmpfs to mount.
type entry struct {
	Path     string
	Mode     uint32
	Text     string
	UID, GID int
	Device   uint64
	// Note is kept in an extended attribute.
	Note string
}

// image is in each root file system. The probe comes to it as /probe.
var image = []entry{
	dir("/bin", 0o755), dir("/etc", 0o755), dir("/proc", 0o555), dir("/sys", 0o555), dir("/dev", 0o755), dir("/tmp", 0o1777), dir("/root", 0o700),
	dir("/data", 0o750), dir("/data/deep", 0o705), dir("/home/someone", 0o700), dir("/out", 0o777), dir("/var/run", 0o755),
	{Path: "/data/file", Mode: unix.S_IFREG | 0o640, Text: "data\n", UID: 3, GID: 4, Note: "of the image"},
	{Path: "/data/deep/set", Mode: unix.S_IFREG | 0o6755, Text: "set\n", UID: 5, GID: 6},
	{Path: "/data/pipe", Mode: unix.S_IFIFO | 0o620},
	link("/data/inner", "deep/set"),
	file("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nsomeone:x:1000:1001::/home/someone:/bin/sh\n"),
	file("/etc/group", "root:x:0:\nsomeone:x:1001:\nother:x:7:someone\n"),
	file("/etc/not-executable", "text\n"),
	link("/bin/probe", "../probe"), link("/bin/again", "/probe"),
	{Path: "/bin/script", Mode: unix.S_IFREG | 0o755, Text: "#!/probe --script\n"},
	{Path: "/bin/orphan", Mode: unix.S_IFREG | 0o755, Text: "#!/no/such/interpreter\n"},
	{Path: "/bin/windows", Mode: unix.S_IFREG | 0o755, Text: "#!/probe\r\n"},
	{Path: "/bin/garbage", Mode: unix.S_IFREG | 0o755, Text: "\x7fELF\x02\x01\x01 nothing\n"},
	{Path: "/bin/empty", Mode: unix.S_IFREG | 0o755},
	{Path: "/bin/private", Mode: unix.S_IFREG | 0o700, Text: "#!/probe\n"},
}

func dir(name string, mode uint32) entry {
	return entry{Path: name, Mode: unix.S_IFDIR | mode}
}

func file(name, text string) entry {
	return entry{Path: name, Mode: unix.S_IFREG | 0o644, Text: text}
}

func link(name, target string) entry {
	return entry{Path: name, Mode: unix.S_IFLNK | 0o777, Text: target}
}

// tmpfs is a mount of the host, with options.
func tmpfs(name, options string) entry { return entry{Path: name, Text: options} }

// populate makes files below a directory, whose owners are shifted by base.
func populate(below string, entries []entry, base int) error {
	for _, e := range entries {
		if err := makeEntry(filepath.Join(below, e.Path), e, base); err != nil {
			return fmt.Errorf("%s: %w", e.Path, err)
		}
	}
	// Files that a container copies keep their times.
	for _, e := range entries {
		if e.Mode != 0 {
			times := []unix.Timeval{{Sec: old}, {Sec: old}}
			if err := unix.Lutimes(filepath.Join(below, e.Path), times); err != nil {
				return fmt.Errorf("%s: set the times: %w", e.Path, err)
			}
		}
	}
	return nil
}

// old is the time at which the files of images were changed, in 2001.
const old = 1000000000

func makeEntry(place string, e entry, base int) error {
	if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
		return err
	}
	var err error
	switch e.Mode & unix.S_IFMT {
	case 0:
		return errors.Join(os.MkdirAll(place, 0o755), unix.Mount("host", place, "tmpfs", 0, e.Text))
	case unix.S_IFDIR:
		err = os.MkdirAll(place, 0o755)
	case unix.S_IFREG:
		err = os.WriteFile(place, []byte(e.Text), 0o600)
	case unix.S_IFLNK:
		err = os.Symlink(e.Text, place)
	default:
		err = unix.Mknod(place, e.Mode, int(e.Device))
	}
	if err != nil {
		return err
	}
	if err := os.Lchown(place, base+e.UID, base+e.GID); err != nil || e.Mode&unix.S_IFMT == unix.S_IFLNK {
		return err
	}
	if err := unix.Chmod(place, e.Mode&0o7777); err != nil || e.Note == "" {
		return err
	}
	// Not every kernel has such attributes on a tmpfs.
	_ = unix.Setxattr(place, "trusted.note", []byte(e.Note), 0)
	_ = unix.Setxattr(place, "user.note", []byte(e.Note), 0)
	return nil
}

// own gives a tree to the root of a user namespace: the owners that populate has not set.
func own(top string, base int) error {
	return filepath.WalkDir(top, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var stat unix.Stat_t
		if err := unix.Lstat(name, &stat); err != nil || int(stat.Uid) >= base {
			return err
		}
		// A change of the owner clears the set-user-ID bit.
		if err := os.Lchown(name, base+int(stat.Uid), base+int(stat.Gid)); err != nil || stat.Mode&unix.S_IFMT == unix.S_IFLNK {
			return err
		}
		return unix.Chmod(name, stat.Mode&0o7777)
	})
}

// listTree describes all files below a directory, as the host sees them.
func listTree(top string) (map[string]string, error) {
	list := map[string]string{}
	err := filepath.WalkDir(top, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var stat unix.Stat_t
		if err := unix.Lstat(name, &stat); err != nil {
			return err
		}
		text := fmt.Sprintf("mode %#o, owner %d:%d", stat.Mode, stat.Uid, stat.Gid)
		switch stat.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			text += fmt.Sprintf(", size %d, links %d", stat.Size, stat.Nlink)
		case unix.S_IFLNK:
			target, _ := os.Readlink(name)
			text += " -> " + target
		case unix.S_IFCHR, unix.S_IFBLK:
			text += fmt.Sprintf(", device %d:%d", unix.Major(stat.Rdev), unix.Minor(stat.Rdev))
		}
		list["/"+name[min(len(name), len(top)+1):]] = text
		return nil
	})
	return list, err
}
