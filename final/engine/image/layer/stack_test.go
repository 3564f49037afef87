//go:build linux

package layer

import (
	"archive/tar"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const empty = `644 0:0 file ""`

// Each row has layers, the lowest first, and what they show together. top is what the highest layer has itself.
func TestLayersShowTogether(t *testing.T) {
	hide := func(name string) entry { return file(name, "") }
	below := []entry{folder("a"), file("a/x", ""), file("a/y", ""), folder("a/b"), file("a/b/z", ""), file("f", "")}
	for name, test := range map[string]struct{ below, above, shows, top []entry }{
		"a whiteout of a file":                           {below, []entry{hide("a/.wh.x")}, []entry{folder("a"), file("a/y", ""), folder("a/b"), file("a/b/z", ""), file("f", "")}, nil},
		"a whiteout of a directory":                      {below, []entry{hide(".wh.a")}, []entry{file("f", "")}, nil},
		"a whiteout of nothing leaves nothing":           {below, []entry{hide(".wh.none"), hide("none/.wh.none"), hide("f/.wh.none"), hide("none/.wh..wh..opq")}, below, []entry{}},
		"a whiteout never hides its own layer, before":   {below, []entry{hide("a/.wh.x"), file("a/x", "new")}, []entry{folder("a"), file("a/x", "new"), file("a/y", ""), folder("a/b"), file("a/b/z", ""), file("f", "")}, nil},
		"a whiteout never hides its own layer, after":    {below, []entry{file("a/x", "new"), hide("a/.wh.x")}, []entry{folder("a"), file("a/x", "new"), file("a/y", ""), folder("a/b"), file("a/b/z", ""), file("f", "")}, nil},
		"a directory made again, before":                 {below, []entry{hide(".wh.a"), folder("a"), file("a/new", "")}, []entry{folder("a"), file("a/new", ""), file("f", "")}, nil},
		"a directory made again, after":                  {below, []entry{folder("a"), file("a/new", ""), hide(".wh.a")}, []entry{folder("a"), file("a/new", ""), file("f", "")}, nil},
		"a directory made again without an entry":        {below, []entry{hide(".wh.a"), file("a/new", "")}, []entry{folder("a"), file("a/new", ""), file("f", "")}, nil},
		"a directory made again of a file":               {below, []entry{file("a", "now a file"), folder("a"), file("a/new", "")}, []entry{folder("a"), file("a/new", ""), file("f", "")}, nil},
		"whiteouts in a whiteout, before":                {below, []entry{hide("a/.wh.x"), hide("a/b/.wh.z"), hide(".wh.a")}, []entry{file("f", "")}, nil},
		"whiteouts in a whiteout, after":                 {below, []entry{hide(".wh.a"), hide("a/.wh.x"), hide("a/b/.wh..wh..opq")}, []entry{file("f", "")}, nil},
		"an opaque directory, before":                    {below, []entry{folder("a"), hide("a/.wh..wh..opq"), file("a/new", "")}, []entry{folder("a"), file("a/new", ""), file("f", "")}, nil},
		"an opaque directory, after":                     {below, []entry{folder("a"), file("a/new", ""), hide("a/.wh.x"), hide("a/b/.wh.z"), hide("a/.wh..wh..opq")}, []entry{folder("a"), file("a/new", ""), file("f", "")}, nil},
		"an opaque directory without an entry":           {below, []entry{hide("a/.wh..wh..opq")}, []entry{folder("a"), file("f", "")}, nil},
		"an opaque directory in another":                 {below, []entry{folder("a/b"), hide("a/b/.wh..wh..opq"), hide("a/.wh..wh..opq")}, []entry{folder("a"), folder("a/b"), file("f", "")}, nil},
		"opaque above a directory of its own":            {below, []entry{file("a/b/new", ""), hide("a/.wh..wh..opq")}, []entry{folder("a"), folder("a/b"), file("a/b/new", ""), file("f", "")}, nil},
		"an opaque root directory":                       {below, []entry{file("a/new", ""), hide(".wh..wh..opq")}, []entry{folder("a"), file("a/new", "")}, nil},
		"a whiteout that is a hard link":                 {below, []entry{hide("a/.wh.x"), hardlink("a/.wh.y", "a/.wh.x")}, []entry{folder("a"), folder("a/b"), file("a/b/z", ""), file("f", "")}, nil},
		"a whiteout as overlay writes it":                {below, []entry{of(tar.TypeChar, "a", "", "", 0)}, []entry{file("f", "")}, nil},
		"notes of an older file system":                  {below, []entry{folder(".wh..wh.plnk"), hide(".wh..wh.aufs"), hide("a/.wh..wh.x")}, below, []entry{}},
		"a file instead of a directory":                  {below, []entry{file("a", "file")}, []entry{file("a", "file"), file("f", "")}, nil},
		"a directory instead of a file":                  {below, []entry{folder("f"), file("f/new", "")}, append(below[:5:5], folder("f"), file("f/new", "")), nil},
		"a directory without an entry instead of a file": {below, []entry{file("f/new", "")}, append(below[:5:5], folder("f"), file("f/new", "")), nil},
		"a link instead of a directory":                  {below, []entry{symlink("a", "f")}, []entry{symlink("a", "f"), file("f", "")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := layers(t, test.below, test.above)
			want := map[string]string{}
			for _, e := range append(test.shows, folder(".")) {
				want[filepath.Clean(e.Name)] = root
				if e.Typeflag == tar.TypeReg {
					want[e.Name] = `644 0:0 file "` + e.body + `"`
				} else if e.Typeflag == tar.TypeSymlink {
					want[e.Name] = "0:0 link to " + e.Linkname
				}
			}
			shows := s.shows()
			assert.Equal(t, want, shows)
			if test.top != nil {
				assert.Equal(t, map[string]string{".": root}, s.top())
			}
			// No whiteout shows in a directory that overlay does not merge, and a third layer changes nothing of it.
			require.NoError(t, s.push(file("f", ""), hide(".wh.none")))
			if want["f"] == empty {
				assert.Equal(t, want, s.shows())
			}
		})
	}
}

// A layer that replaces a directory by a new one hides what is further below, whatever is between.
func TestAThirdLayer(t *testing.T) {
	s := layers(t, []entry{folder("a"), file("a/x", "1")}, []entry{file("a", "file")}, []entry{folder("a"), file("a/y", "3")})
	assert.Equal(t, map[string]string{".": root, "a": root, "a/y": `644 0:0 file "3"`}, s.shows())
	s = layers(t, []entry{folder("a"), file("a/x", "1")}, []entry{file(".wh.a", "")}, []entry{file("a/y", "3")}, []entry{file("a/.wh.x", "")})
	assert.Equal(t, map[string]string{".": root, "a": root, "a/y": `644 0:0 file "3"`}, s.shows())
}

func TestADirectoryWithoutAnEntryKeepsItsAttributes(t *testing.T) {
	s := layers(t,
		[]entry{folder(".").owned(1, 0o711), folder("a").owned(5, 0o1777).with("SCHILY.xattr.trusted.note", "kept"), file("a/x", ""), file("a/y", "")},
		[]entry{late(file("a/new", ""))}, []entry{late(file("a/.wh.x", ""))})
	shows := s.shows()
	assert.Equal(t, "711 1:1 directory", shows["."])
	assert.Equal(t, `1777 5:5 directory trusted.note="kept"`, shows["a"])
	var stat unix.Stat_t
	require.NoError(t, unix.Lstat(filepath.Join(s.tops[0], "a"), &stat))
	assert.Equal(t, then.UnixNano(), stat.Mtim.Nano())

	require.NoError(t, s.push(folder("a").owned(6, 0o700)))
	assert.Equal(t, "700 6:6 directory", s.shows()["a"], "an entry replaces all attributes")
}

func TestASymbolicLinkOfALowerLayerIsFollowed(t *testing.T) {
	below := []entry{folder("var"), symlink("var/run", "/run"), symlink("var/lock", "../run/lock"), symlink("bin", "usr/bin"), file("usr/bin/sh", "sh")}
	s := layers(t, below, []entry{file("var/run/pid", "1"), file("bin/ls", "ls"), file("var/lock/held", "x")})
	shows := s.shows()
	assert.Equal(t, "0:0 link to /run", shows["var/run"])
	assert.Equal(t, `644 0:0 file "1"`, shows["run/pid"])
	assert.Equal(t, `644 0:0 file "sh"`, shows["usr/bin/sh"])
	assert.Equal(t, `644 0:0 file "ls"`, shows["usr/bin/ls"])
	assert.Equal(t, `644 0:0 file "x"`, shows["run/lock/held"])
	assert.NoFileExists(t, filepath.Join(s.tops[0], "var"))

	// In the same layer, and through the link of a whiteout.
	s = layers(t, append(below, file("var/run/pid", "1")), []entry{file("var/run/.wh.pid", "")})
	assert.NotContains(t, s.shows(), "run/pid")
	// An entry of its own replaces the link, and what comes afterwards is in the new directory.
	s = layers(t, below, []entry{file("bin/a", "a"), folder("bin"), file("bin/b", "b")})
	shows = s.shows()
	assert.Equal(t, `644 0:0 file "a"`, shows["usr/bin/a"])
	assert.Equal(t, `644 0:0 file "b"`, shows["bin/b"])
	assert.NotContains(t, shows, "usr/bin/b")
	s = layers(t, below, []entry{file("bin/a", "a"), file(".wh.bin", ""), file("bin/b", "b")})
	assert.Equal(t, `644 0:0 file "b"`, s.shows()["bin/b"])
}

func TestAHardLinkToALowerLayer(t *testing.T) {
	s := layers(t,
		[]entry{folder("a").owned(3, 0o750), file("a/tool", "tool").owned(4, 0o4755).with("SCHILY.xattr.trusted.note", "kept"), symlink("s", "a")},
		[]entry{hardlink("b/link", "s/tool"), hardlink("s/tool", "a/tool")})
	shows := s.shows()
	assert.Equal(t, `4755 4:4 file "tool" trusted.note="kept"`, shows["a/tool"])
	assert.Equal(t, "same as a/tool", shows["b/link"])
	assert.Equal(t, "750 3:3 directory", shows["a"])
	// What is hidden cannot be linked.
	err := s.push(file("a/.wh.tool", ""), hardlink("c", "a/tool"))
	assert.ErrorIs(t, err, unix.ENOENT)
	_, err = os.Lstat(filepath.Join(s.tops[0], "c"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}
