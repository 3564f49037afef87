//go:build linux

package layer

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/rootfs"
)

// An entry is one of a tar file. Its time is long ago, so a file that somebody else has made is younger.
type entry struct {
	tar.Header
	body string
}

var then = time.Unix(1_000_000_000, 500)

func of(kind byte, name, target, body string, mode int64) entry {
	return entry{tar.Header{Typeflag: kind, Name: name, Linkname: target, Mode: mode, Size: int64(len(body)), ModTime: then, Format: tar.FormatPAX}, body}
}

func file(name, body string) entry      { return of(tar.TypeReg, name, "", body, 0o644) }
func folder(name string) entry          { return of(tar.TypeDir, name+"/", "", "", 0o755) }
func symlink(name, target string) entry { return of(tar.TypeSymlink, name, target, "", 0o777) }
func hardlink(name, to string) entry    { return of(tar.TypeLink, name, to, "", 0o644) }

// late gives an entry a later time.
func late(e entry) entry {
	e.ModTime = then.Add(time.Hour)
	return e
}

// owned changes owner and mode of an entry, and with adds a record.
func (e entry) owned(uid int, mode int64) entry {
	e.Uid, e.Gid, e.Mode = uid, uid, mode
	return e
}

func (e entry) with(record, value string) entry {
	e.PAXRecords = map[string]string{record: value}
	return e
}

// archive writes a tar file.
func archive(t testing.TB, entries ...entry) *bytes.Buffer {
	t.Helper()
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	for _, e := range entries {
		require.NoError(t, w.WriteHeader(&e.Header), e.Name)
		_, err := w.Write([]byte(e.body))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return &buffer
}

// A stack is what layers on each other show. lowers are the open directories, the highest first.
type stack struct {
	t      testing.TB
	lowers []int
	// tops are the paths of the layers, the highest first.
	tops []string
	o    Options
}

func (s *stack) merged() int {
	switch len(s.lowers) {
	case 0:
		return -1
	case 1:
		return s.lowers[0]
	}
	mount, err := rootfs.Overlay{Lower: s.lowers, Upper: -1}.Mount()
	require.NoError(s.t, err)
	s.t.Cleanup(func() { unix.Close(mount) })
	return mount
}

// push unpacks a layer on the others.
func (s *stack) push(entries ...entry) error {
	_, err := s.pushTar(archive(s.t, entries...))
	return err
}

func (s *stack) pushTar(archive *bytes.Buffer) (Summary, error) {
	dir := s.t.TempDir()
	root, err := rootfs.OpenRoot(dir)
	require.NoError(s.t, err)
	s.t.Cleanup(root.Close)
	summary, err := Apply(int(root), s.merged(), archive, s.o)
	if err == nil {
		s.lowers, s.tops = slices.Insert(s.lowers, 0, int(root)), slices.Insert(s.tops, 0, dir)
	}
	return summary, err
}

// layers unpacks layers, the lowest first.
func layers(t testing.TB, all ...[]entry) *stack {
	t.Helper()
	s := &stack{t: t}
	for _, entries := range all {
		require.NoError(t, s.push(entries...))
	}
	return s
}

// top describes the highest layer, and shows describes what all layers show.
func (s *stack) top() map[string]string { return describe(s.t, s.tops[0]) }

func (s *stack) shows() map[string]string {
	s.t.Helper()
	return describe(s.t, fmt.Sprintf("/proc/self/fd/%d/.", s.merged()))
}

// describe lists the files in a directory, in words. Names of hard links are those of the first in the alphabet.
func describe(t testing.TB, dir string) map[string]string {
	t.Helper()
	tree, inodes := map[string]string{}, map[uint64]string{}
	require.NoError(t, filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		require.NoError(t, err)
		name, err := filepath.Rel(dir, file)
		require.NoError(t, err)
		tree[name] = describeFile(t, file, name, inodes)
		return nil
	}))
	return tree
}

func describeFile(t testing.TB, file, name string, inodes map[uint64]string) string {
	var stat unix.Stat_t
	require.NoError(t, unix.Lstat(file, &stat))
	words := []string{fmt.Sprintf("%o %d:%d", stat.Mode&0o7777, stat.Uid, stat.Gid)}
	switch stat.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		words = append(words, "directory")
	case unix.S_IFREG:
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		words = append(words, fmt.Sprintf("file %q", content))
	case unix.S_IFLNK:
		target, err := os.Readlink(file)
		require.NoError(t, err)
		words = []string{fmt.Sprintf("%d:%d link to %s", stat.Uid, stat.Gid, target)}
	case unix.S_IFCHR:
		words = append(words, fmt.Sprintf("device %d:%d", unix.Major(stat.Rdev), unix.Minor(stat.Rdev)))
		if stat.Rdev == 0 {
			words = []string{"whiteout"}
		}
	case unix.S_IFIFO:
		words = append(words, "FIFO")
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR && stat.Nlink > 1 {
		if first, found := inodes[stat.Ino]; found {
			return "same as " + first
		}
		inodes[stat.Ino] = name
	}
	return strings.Join(append(words, xattrsOf(t, file)...), " ")
}

func xattrsOf(t testing.TB, file string) (all []string) {
	list := make([]byte, 64<<10)
	n, err := unix.Llistxattr(file, list)
	require.NoError(t, err)
	for name := range strings.SplitSeq(string(list[:n]), "\x00") {
		value := make([]byte, 64<<10)
		// overlay itself leaves a note of where a file comes from.
		if name == "" || name == "trusted.overlay.origin" || name == "trusted.overlay.impure" {
			continue
		}
		n, err := unix.Lgetxattr(file, name, value)
		require.NoError(t, err, name)
		all = append(all, fmt.Sprintf("%s=%q", name, value[:n]))
	}
	slices.Sort(all)
	return all
}
