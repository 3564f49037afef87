//go:build linux

package rootfs

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// layers makes directories, the highest first. Each has a file of its own, and all have the file which, with the number of the directory.
func layers(t *testing.T, count int) []int {
	t.Helper()
	dir := t.TempDir()
	fds := make([]int, count)
	for i := range fds {
		// The names are so long that the list of names would be far longer than a page.
		name := filepath.Join(dir, fmt.Sprintf("a-rather-long-name-of-a-layer-as-image-stores-have-them-%d", i))
		require.NoError(t, os.Mkdir(name, 0o755))
		for _, file := range []string{"which", fmt.Sprintf("own-%d", i)} {
			require.NoError(t, os.WriteFile(filepath.Join(name, file), fmt.Append(nil, i), 0o644))
		}
		root, err := OpenRoot(name)
		require.NoError(t, err)
		t.Cleanup(root.Close)
		fds[i] = int(root)
	}
	return fds
}

func TestAnOverlayOfManyDirectoriesShowsThemAll(t *testing.T) {
	for name, mount := range map[string]func(Overlay) (int, error){"fsconfig": Overlay.Mount, "list": Overlay.mountList, "mount": Overlay.mountOld} {
		for _, count := range []int{2, 200} {
			t.Run(fmt.Sprint(name, count), func(t *testing.T) {
				lower, above := layers(t, count), t.TempDir()
				require.NoError(t, os.Mkdir(filepath.Join(above, "upper"), 0o755))
				require.NoError(t, os.Mkdir(filepath.Join(above, "work"), 0o755))
				o := Overlay{Lower: lower, Upper: -1}
				for _, writable := range []bool{false, true} {
					if writable {
						upper, err := OpenRoot(filepath.Join(above, "upper"))
						require.NoError(t, err)
						defer upper.Close()
						work, err := OpenRoot(filepath.Join(above, "work"))
						require.NoError(t, err)
						defer work.Close()
						o.Upper, o.Work, o.Options = int(upper), int(work), []string{"volatile"}
					}
					fd, err := mount(o)
					require.NoError(t, err)
					root := Root(fd)
					defer root.Close()
					content, err := root.ReadFile("which", 10)
					require.NoError(t, err)
					assert.Equal(t, "0", string(content), "the highest directory wins")
					for i := range count {
						content, err := root.ReadFile(fmt.Sprintf("own-%d", i), 10)
						require.NoError(t, err)
						assert.Equal(t, fmt.Sprint(i), string(content))
					}
					err = unix.Mkdirat(fd, "new", 0o755)
					if writable {
						require.NoError(t, err)
						assert.DirExists(t, filepath.Join(above, "upper/new"))
					} else {
						assert.ErrorIs(t, err, unix.EROFS)
					}
				}
			})
		}
	}
}

func TestAnOverlayOfTooManyDirectoriesIsRefused(t *testing.T) {
	lower := layers(t, 1)
	for len(lower) < 501 {
		lower = append(lower, lower[0])
	}
	_, err := Overlay{Lower: lower, Upper: -1}.Mount()
	// Before Linux 6.7 it is the list that is too long.
	require.Error(t, err)
	assert.Regexp(t, "500|too large", err.Error())
}
