//go:build linux

package layer

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/engine/image/change"
	"container-workshop/final/rootfs"
)

// committed writes what an upper directory changes as a layer.
func committed(t testing.TB, upper, lower int, all bool) *bytes.Buffer {
	t.Helper()
	var layer bytes.Buffer
	require.NoError(t, (&change.Tree{Upper: upper, Lower: lower}).Write(&layer, all, math.MaxInt64))
	return &layer
}

// A writable is an overlay on the layers of a stack, as a container has. dir is where the overlay shows.
type writable struct {
	*stack
	upper, lower int
	dir          string
}

func write(t testing.TB, s *stack) *writable {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, unix.Mount("tmpfs", dir, "tmpfs", 0, ""))
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	w := &writable{stack: s, lower: s.merged()}
	o := rootfs.Overlay{Lower: s.lowers}
	for name, fd := range map[string]*int{"upper": &o.Upper, "work": &o.Work} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o755))
		root, err := rootfs.OpenRoot(filepath.Join(dir, name))
		require.NoError(t, err)
		t.Cleanup(root.Close)
		*fd = int(root)
	}
	w.upper = o.Upper
	mount, err := o.Mount()
	require.NoError(t, err)
	t.Cleanup(func() { unix.Close(mount) })
	w.dir = fmt.Sprintf("/proc/self/fd/%d/.", mount)
	return w
}

func (w *writable) path(name string) string { return filepath.Join(w.dir, name) }

// mark gives a file an attribute. A tmpfs takes attributes of users since Linux 6.6.
func (w *writable) mark(name, attribute, value string) error {
	err := unix.Setxattr(w.path(name), attribute, []byte(value), 0)
	if err == unix.EOPNOTSUPP {
		return nil
	}
	return err
}

// changes makes changes of each kind, as a container does.
func (w *writable) changes() {
	t := w.t
	for _, err := range []error{
		os.Remove(w.path("a/x")), os.RemoveAll(w.path("gone")), os.RemoveAll(w.path("again")), os.Mkdir(w.path("again"), 0o700),
		os.WriteFile(w.path("again/new"), []byte("new"), 0o640), os.Remove(w.path("file")), os.MkdirAll(w.path("file/sub"), 0o755),
		os.RemoveAll(w.path("dir")), os.Symlink("/nowhere/at all", w.path("dir")), os.WriteFile(w.path("one"), []byte("linked"), 0o4755),
		os.Link(w.path("one"), w.path("two")), unix.Mkfifo(w.path("fifo"), 0o600), os.Chmod(w.path("mode"), 0o1777), os.Chown(w.path("kept"), 7, 8),
		w.mark("one", "user.note", "a\x00b"),
		unix.Setxattr(w.path("one"), "security.capability", []byte("\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 0),
		os.WriteFile(w.path("new\nline \xff"), []byte("a name of bytes"), 0o600), unix.Mknod(w.path("device"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))),
	} {
		require.NoError(t, err)
	}
}

// below are layers to change.
func below(t testing.TB) *stack {
	return layers(t,
		[]entry{folder("a"), file("a/x", "x"), file("a/y", "y"), folder("gone"), file("gone/z", "z"), folder("again"), file("again/old", "old"), folder("again/sub"), file("file", "f")},
		[]entry{folder("dir"), file("dir/inner", "inner"), folder("mode"), file("kept", "kept"), hardlink("kept2", "kept"), file("a/more", "more")})
}

func TestACommittedLayerShowsWhatTheContainerShows(t *testing.T) {
	for name, all := range map[string]bool{"changes": false, "the whole tree": true} {
		t.Run(name, func(t *testing.T) {
			s := below(t)
			s.o.Devices = true
			w := write(t, s)
			w.changes()
			want := describe(t, w.dir)
			layer := committed(t, w.upper, w.lower, all)
			again := s
			if all {
				again = &stack{t: t, o: s.o}
			}
			_, err := again.pushTar(layer)
			require.NoError(t, err)
			shows := again.shows()
			assert.Equal(t, want, shows)
			assert.Equal(t, `700 0:0 directory`, shows["again"])
			assert.NotContains(t, shows, "again/old")
			assert.Contains(t, shows["one"], "security.capability")
		})
	}
}

// Nobody in a container can write the marks of its overlay, but those of another overlay are attributes like any others.
func TestNoLayerHasMarksOfAnOverlay(t *testing.T) {
	s := below(t)
	w := write(t, s)
	for _, mark := range []string{"user.overlay.opaque", "user.overlay.whiteout", "trusted.note", "user.a=b"} {
		require.NoError(t, w.mark("a", mark, "y"))
	}
	require.NoError(t, os.RemoveAll(w.path("again")))
	require.NoError(t, os.Mkdir(w.path("again"), 0o755))
	layer := committed(t, w.upper, w.lower, false).String()
	assert.NotContains(t, layer, "SCHILY.xattr")
	assert.Contains(t, layer, "again/.wh..wh..opq")
	assert.NotContains(t, layer, "\x00a/.wh..wh..opq", "only the marks of this overlay count")
}

func TestTheLayerOfNoChangeChangesNothing(t *testing.T) {
	s := below(t)
	w := write(t, s)
	want := s.shows()
	_, err := s.pushTar(committed(t, w.upper, w.lower, false))
	require.NoError(t, err)
	assert.Equal(t, want, s.shows())
	assert.Len(t, s.top(), 1)
}

// An unpacked layer is what overlay would write, so it can be committed again.
func TestRandomLayersAreCommitted(t *testing.T) {
	for seed := range uint64(30) {
		s := &stack{t: t}
		for _, entries := range makeLayers(seed, false) {
			require.NoError(t, s.push(entries...))
		}
		if len(s.lowers) < 2 {
			continue
		}
		want := s.shows()
		below := &stack{t: t, lowers: s.lowers[1:], tops: s.tops[1:]}
		layer := committed(t, s.lowers[0], below.merged(), false)
		whole := committed(t, s.lowers[0], below.merged(), true)
		_, err := below.pushTar(layer)
		require.NoError(t, err)
		require.Equal(t, want, below.shows(), "seed %d", seed)
		alone := &stack{t: t}
		_, err = alone.pushTar(whole)
		require.NoError(t, err)
		require.Equal(t, want, alone.shows(), "seed %d", seed)
	}
}
