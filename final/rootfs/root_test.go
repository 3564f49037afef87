//go:build linux

package rootfs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// hostile returns a root with links out of it, and the directory outside that they lead to.
func hostile(t *testing.T) (Root, string, string) {
	t.Helper()
	inside, outside := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600))
	for name, target := range map[string]string{
		"absolute": outside, "up": strings.Repeat("../", 30) + outside, "nowhere": outside + "/new", "loop": "loop", "far": "absolute/a/b",
	} {
		require.NoError(t, os.Symlink(target, filepath.Join(inside, name)))
	}
	root, err := OpenRoot(inside)
	require.NoError(t, err)
	t.Cleanup(root.Close)
	return root, inside, outside
}

func TestNoPathLeadsOutOfTheRoot(t *testing.T) {
	root, _, outside := hostile(t)
	for _, name := range []string{"/absolute/secret", "up/secret", "../../../.." + outside + "/secret", "/loop"} {
		_, err := root.Open(name, unix.O_RDONLY, 0)
		assert.Error(t, err, name)
	}
}

func TestWhatIsMadeIsBelowTheRoot(t *testing.T) {
	root, inside, outside := hostile(t)
	for _, name := range []string{"absolute/x/y", "up/z", "nowhere", "far", "../../q", "plain/deep/er"} {
		fd, err := Maker{Root: root}.Directory(name, 0o755)
		require.NoError(t, err, name)
		unix.Close(fd)
	}
	fd, err := Maker{Root: root}.File("nowhere/file")
	require.NoError(t, err)
	unix.Close(fd)
	assert.FileExists(t, filepath.Join(inside, outside, "new/file"))
	assert.DirExists(t, filepath.Join(inside, outside, "a/b"))
	entries, err := os.ReadDir(outside)
	require.NoError(t, err)
	assert.Len(t, entries, 1, "only what was there before")
}

func TestALoopOfLinksIsAnError(t *testing.T) {
	root, inside, _ := hostile(t)
	require.NoError(t, os.Symlink("b/x", filepath.Join(inside, "a")))
	require.NoError(t, os.Symlink("a/x", filepath.Join(inside, "b")))
	for _, name := range []string{"loop", "loop/x", "a", "a/y"} {
		_, err := Maker{Root: root}.Directory(name, 0o755)
		assert.ErrorIs(t, err, unix.ELOOP, name)
	}
}

func TestOnlyARegularFileOfSomeLengthIsRead(t *testing.T) {
	root, inside, _ := hostile(t)
	require.NoError(t, unix.Mkfifo(filepath.Join(inside, "fifo"), 0o600))
	require.NoError(t, os.Truncate(newFile(t, inside, "huge"), 1<<40))
	require.NoError(t, os.WriteFile(filepath.Join(inside, "small"), []byte("text"), 0o600))
	start := time.Now()
	for _, name := range []string{"fifo", "huge", "/", "absolute/secret", "missing"} {
		_, err := root.ReadFile(name, 1<<20)
		assert.Error(t, err, name)
	}
	assert.Less(t, time.Since(start), time.Second)
	_, err := root.ReadFile("small", 3)
	assert.ErrorContains(t, err, "at most 3 bytes")
	content, err := root.ReadFile("small", 4)
	assert.NoError(t, err)
	assert.Equal(t, "text", string(content))
}

func newFile(t *testing.T, dir, name string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	return path
}

func FuzzOpen(f *testing.F) {
	for _, seed := range []string{"/absolute/secret", "up/secret", "a/../../b", "loop", "nowhere", "", "//", "."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		root, _, outside := hostile(t)
		if fd, err := (Maker{Root: root}).File(name); err == nil {
			unix.Close(fd)
		}
		entries, err := os.ReadDir(outside)
		require.NoError(t, err)
		assert.Len(t, entries, 1, "only what was there before")
	})
}
