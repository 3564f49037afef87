//go:build linux

package layer

import (
	"archive/tar"
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whatever a tar file says: nothing outside the layer changes, and overlay can show the result.
func FuzzTarFile(f *testing.F) {
	sparse, err := os.ReadFile("testdata/sparse.tar")
	require.NoError(f, err)
	f.Add(sparse)
	f.Add(archive(f, folder("a"), file("out/x", "x"), hardlink("h", "out/secret"), symlink("s", "../../out"), file("s/y", "")).Bytes())
	f.Add(archive(f, file("a/.wh.x", ""), file("a/.wh..wh..opq", ""), of(tar.TypeChar, "a", "", "", 0), folder("a").with("SCHILY.xattr.user.x", "y")).Bytes())
	for seed := range uint64(4) {
		f.Add(archive(f, makeLayers(seed, true)[0]...).Bytes())
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		dir, _ := outside(t)
		s := &stack{t: t}
		require.NoError(t, s.push(symlink("out", dir), folder("a/b"), file("a/x", "x"), symlink("loop", "loop")))
		s.o.Limits = Limits{Bytes: 32 << 20, Entries: 1000}
		if _, err := s.pushTar(bytes.NewBuffer(content)); err == nil {
			s.shows()
		} else {
			assert.NotContains(t, err.Error(), "\n")
		}
	})
}

// Entries that are chosen by bytes reach more than random tar files do.
func FuzzEntries(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23})
	f.Add([]byte{2, 0, 9, 0, 3, 0, 5, 12, 1, 4, 1, 0, 0, 3, 4, 7, 1, 5, 0, 2, 2, 1, 9, 9})
	names := []string{"a", "b", "a/b", "a/b/c", "out", "out/secret", "out/folder", "l", "l/x", ".", "a/.wh.b", ".wh.a", ".wh.out", "a/.wh..wh..opq", ".wh..wh..opq", "../x"}
	f.Fuzz(func(t *testing.T, choices []byte) {
		dir, up := outside(t)
		targets := append([]string{dir, up, "..", "a/b", "/a", "l"}, names...)
		s := &stack{t: t}
		require.NoError(t, s.push(symlink("out", dir), file("a/b/c", "c"), file("b", "b"), symlink("l", "a")))
		var entries []entry
		for ; len(choices) > 2; choices = choices[3:] {
			kinds := []byte{tar.TypeReg, tar.TypeDir, tar.TypeSymlink, tar.TypeLink, tar.TypeFifo, tar.TypeChar}
			e := of(kinds[int(choices[0])%len(kinds)], names[int(choices[1])%len(names)], targets[int(choices[2])%len(targets)], "", int64(choices[2]))
			if e.Typeflag != tar.TypeSymlink && e.Typeflag != tar.TypeLink {
				e.Linkname = ""
			}
			entries = append(entries, e)
			if choices[0] >= 128 {
				if s.push(entries...) == nil {
					s.shows()
				}
				entries = nil
			}
			if len(s.tops) > 8 {
				return
			}
		}
		if s.push(entries...) == nil {
			s.shows()
		}
	})
}
