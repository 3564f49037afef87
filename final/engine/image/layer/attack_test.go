//go:build linux

package layer

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// outside makes a directory that no layer may change, and a path that leads there from any directory.
func outside(t testing.TB) (dir, up string) {
	dir = t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "secret"), []byte("secret"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder"), 0o700))
	before := describe(t, dir)
	t.Cleanup(func() { assert.Equal(t, before, describe(t, dir), "a file outside the layer has changed") })
	return dir, strings.Repeat("../", 40) + dir[1:]
}

func TestNoEntryLeadsOutOfTheLayer(t *testing.T) {
	dir, up := outside(t)
	for name, entries := range map[string][]entry{
		"an absolute path":                  {file(dir+"/new", ""), folder(dir).owned(7, 0o777)},
		"a link to an absolute path":        {symlink("out", dir), file("out/new", ""), folder("out/folder").owned(7, 0o777)},
		"a link to a relative path":         {symlink("out", up), file("out/new", ""), file("out/secret", "changed")},
		"a link to a link":                  {symlink("a", "b"), symlink("b", up), file("a/new", "")},
		"a link below":                      {symlink("a/b/c", "../../../.."+dir), file("a/b/c/secret", "changed")},
		"a link in place of a directory":    {folder("a"), symlink("a", dir), file("a/new", "")},
		"a link in place of a parent":       {folder("a/b"), file("a/b/x", ""), symlink("a", dir), file("a/folder/x", ""), file("a/new", "")},
		"a file in place of a link":         {symlink("secret", dir+"/secret"), file("secret", "mine")},
		"a directory in place of a link":    {symlink("folder", dir+"/folder"), folder("folder").owned(7, 0o777)},
		"a whiteout through a link":         {symlink("out", dir), file("out/.wh.secret", ""), file("out/.wh..wh..opq", "")},
		"a link of the layer below":         {file("out/secret", "changed"), file("out/.wh.secret", ""), folder("out/folder").owned(7, 0o777)},
		"an extended attribute of a link":   {symlink("out", dir+"/secret").with("SCHILY.xattr.user.x", "x"), symlink("o", dir).with("SCHILY.xattr.trusted.x", "x")},
		"a FIFO in place of a link":         {symlink("secret", dir+"/secret"), of(tar.TypeFifo, "secret", "", "", 0o666)},
		"a hard link to a link, then times": {symlink("secret", dir+"/secret"), hardlink("s", "secret"), file("s", "mine")},
	} {
		t.Run(name, func(t *testing.T) {
			s := layers(t, []entry{symlink("out", dir)}, entries)
			for file, is := range s.shows() {
				assert.NotContains(t, is, `"secret"`, file)
			}
		})
	}
}

func TestHostileEntriesAreRefused(t *testing.T) {
	dir, up := outside(t)
	below := []entry{file("below", "x"), symlink("loop", "loop"), symlink("out", dir)}
	hardlinkOf := func(target string) []entry { return []entry{hardlink("h", target)} }
	for name, test := range map[string]struct {
		entries []entry
		says    string
	}{
		"a path with ..":                  {[]entry{file("../x", "")}, "must not have .. in it"},
		"a path with .. inside":           {[]entry{file("a/../x", "")}, "must not have .. in it"},
		"a path that leads up":            {[]entry{file(up+"/x", "")}, "must not have .. in it"},
		"a root directory that is none":   {[]entry{symlink(".", dir)}, "must be a directory"},
		"a hard link through a link":      {hardlinkOf("out/secret"), "no such file"},
		"a hard link to a path with ..":   {hardlinkOf("../../secret"), "must not have .. in it"},
		"a hard link to an absolute path": {hardlinkOf(dir + "/secret"), "no such file"},
		"a hard link to the root":         {hardlinkOf("/"), "must be a file"},
		"a hard link to a directory":      {[]entry{folder("d"), hardlink("h", "d")}, "a directory can have no hard link"},
		"a hard link to a whiteout":       {[]entry{file(".wh.below", ""), hardlink("h", ".wh.below")}, "no such file"},
		"a hard link to what it replaces": {[]entry{folder("d"), file("d/x", ""), hardlink("d", "d/x")}, "no such file"},
		"a whiteout of ..":                {[]entry{file("a/.wh...", "")}, "must have the name of a file"},
		"a whiteout of .":                 {[]entry{file("a/.wh..", "")}, "must have the name of a file"},
		"a whiteout of nothing":           {[]entry{file(".wh.", "")}, "must have the name of a file"},
		"a file in a whiteout":            {[]entry{file(".wh.a/x", "")}, "is a whiteout"},
		"a file in a file":                {[]entry{file("a", ""), file("a/b", "")}, "is a file in the same layer"},
		"a loop of links":                 {[]entry{file("loop/x", "")}, "too many levels of symbolic links"},
		"a link to nowhere":               {[]entry{symlink("a", "")}, "no such file"},
		"a name that is too long":         {[]entry{file(strings.Repeat("x", 300), "")}, "name too long"},
		"a path that is too long":         {[]entry{file(strings.Repeat("x/", 2100)+"x", "")}, "name too long"},
		"a path that links make too long": {[]entry{symlink("l", strings.Repeat(strings.Repeat("y", 200)+"/", 15)), file("l/"+strings.Repeat(strings.Repeat("z", 200)+"/", 15)+"x", "")}, "name too long"},
		"too many nested directories":     {[]entry{folder(strings.Repeat("d/", 1002))}, "more than 1000 nested directories"},
		"an owner that is no number":      {[]entry{file("a", "").owned(1<<32-1, 0o644)}, "must be numbers from 0"},
		"an owner below 0":                {[]entry{file("a", "").owned(-7, 0o644)}, "must be numbers from 0"},
		"an unknown type":                 {[]entry{of('Z', "a", "", "", 0o644)}, `type 'Z' are not supported`},
		"capabilities that are none":      {[]entry{file("a", "").with("SCHILY.xattr.security.capability", "bad")}, "security.capability"},
	} {
		t.Run(name, func(t *testing.T) {
			s := layers(t, below)
			for i := range test.entries {
				if test.entries[i].Uid < 0 || test.entries[i].Uid >= 1<<32-1 {
					test.entries[i].Format = tar.FormatGNU
				}
			}
			err := s.push(test.entries...)
			require.ErrorContains(t, err, test.says)
			assert.NotContains(t, err.Error(), "\n")
			assert.Less(t, len(err.Error()), 800)
		})
	}
}

// overlay would follow its own attributes out of the directory that they are on.
func TestALayerSetsNoAttributesOfOverlay(t *testing.T) {
	s := layers(t, []entry{folder("a"), file("a/x", "x"), folder("b"), file("b/secret", "y")}, []entry{
		folder("a").with("SCHILY.xattr.trusted.overlay.redirect", "/b"), folder("b").with("SCHILY.xattr.trusted.overlay.opaque", "y"),
		file("f", "").with("SCHILY.xattr.trusted.overlay.metacopy", ""), folder("c").with("SCHILY.xattr.user.overlay.opaque", "y"),
	})
	assert.Equal(t, map[string]string{".": root, "a": root, "b": root, "c": root, "f": empty}, s.top())
	shows := s.shows()
	assert.Contains(t, shows, "a/x")
	assert.Contains(t, shows, "b/secret")
	assert.NotContains(t, shows, "a/secret")
}

// The host labels files as its own policy says.
func TestALayerSetsNoLabelsOfSecurityModules(t *testing.T) {
	s := layers(t, []entry{
		folder("a").with("SCHILY.xattr.security.selinux", "system_u:object_r:bin_t:s0"), file("f", "").with("SCHILY.xattr.security.ima", "\x01abc").with("SCHILY.xattr.user.own", "1"),
	})
	assert.Equal(t, map[string]string{".": root, "a": root, "f": empty + ` user.own="1"`}, s.top())
	// Nor does an entry take away the label that the host has given a directory: SELinux refuses that.
	label := "security.selinux"
	require.NoError(t, unix.Setxattr(filepath.Join(s.tops[0], "a"), label, []byte("of the host"), 0))
	dir, err := unix.Open(filepath.Join(s.tops[0], "a"), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(dir)
	require.NoError(t, (&applier{}).clearXattrs(dir))
	assert.Equal(t, root+` security.selinux="of the host"`, describe(t, s.tops[0])["a"])
}

func TestABombStopsAtALimit(t *testing.T) {
	var many []entry
	for i := range 101 {
		many = append(many, file(fmt.Sprint(i), ""))
	}
	sparse, err := os.ReadFile("testdata/sparse.tar")
	require.NoError(t, err)
	for name, test := range map[string]struct {
		tar    *bytes.Buffer
		limits Limits
		says   string
	}{
		"too many entries":        {archive(t, many...), Limits{Entries: 100}, "more than 100 entries"},
		"too many folders":        {archive(t, file(strings.Repeat("a/", 99)+"file", ""), file(strings.Repeat("b/", 99)+"file", "")), Limits{Entries: 100}, "more than 100 entries"},
		"too many bytes":          {archive(t, file("a", strings.Repeat("a", 600)), file("b", strings.Repeat("b", 600))), Limits{Bytes: 1000}, "more than 1000 bytes"},
		"holes are bytes":         {bytes.NewBuffer(sparse), Limits{Bytes: 15 << 20}, "more than 15728640 bytes"},
		"padding without an end":  {bytes.NewBuffer(append(archive(t, file("a", "")).Bytes(), make([]byte, 1<<20)...)), Limits{Bytes: 1000, Entries: 10}, "more than 1000 bytes"},
		"too many nested folders": {archive(t, folder("a/b/c/d/e")), Limits{Depth: 3}, "more than 3 nested directories"},
		"links that nest":         {archive(t, symlink("l", "a/b"), file("l/c/d/x", "")), Limits{Depth: 3}, "more than 3 nested directories"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &stack{t: t, o: Options{Limits: test.limits}}
			_, err := s.pushTar(bytes.NewBuffer(test.tar.Bytes()))
			assert.ErrorContains(t, err, test.says)
			s.o = Options{}
			_, err = s.pushTar(test.tar)
			assert.NoError(t, err, "without the limit the layer is good")
		})
	}
	// A hard link to a file below is a copy, and counts.
	s := layers(t, []entry{file("big", strings.Repeat("a", 5000))})
	s.o.Limits.Bytes = 4000
	assert.ErrorContains(t, s.push(hardlink("h", "big")), "more than 4000 bytes")
}

func TestABrokenTarFileIsRefused(t *testing.T) {
	whole := archive(t, file("a", strings.Repeat("a", 5000))).Bytes()
	for name, content := range map[string][]byte{"cut in the content": whole[:2000], "cut in a header": whole[:300], "no tar file": bytes.Repeat([]byte("x"), 1024)} {
		_, err := (&stack{t: t}).pushTar(bytes.NewBuffer(content))
		assert.ErrorContains(t, err, "tar", name)
	}
}

// A user namespace without these IDs cannot own the files. Squash gives them all to root.
func TestSquashGivesAllToRoot(t *testing.T) {
	s := &stack{t: t, o: Options{Squash: true, UserXattr: true}}
	require.NoError(t, s.push(folder("a").owned(5, 0o750), file("a/x", "").owned(6, 0o4755)))
	assert.Equal(t, map[string]string{".": root, "a": "750 0:0 directory", "a/x": `4755 0:0 file ""`}, s.top())
	err := s.push(folder("a"), file("a/.wh..wh..opq", ""))
	if errors.Is(err, unix.ENOTSUP) {
		// Before Linux 6.6, a tmpfs has no attributes that users may set.
		return
	}
	require.NoError(t, err)
	assert.Equal(t, `755 0:0 directory user.overlay.opaque="y"`, s.top()["a"])
}
