//go:build linux

package copyup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/rootfs"
)

// attached mounts a tmpfs on a directory, which it makes, until the end of the test.
func attached(t *testing.T, dir string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, unix.Mount("tmpfs", dir, "tmpfs", 0, ""))
	t.Cleanup(func() { assert.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
}

func newFile(t *testing.T, dir, name string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	return path
}

// hostile returns a root with links out of it, and the directory outside that they lead to.
func hostile(t *testing.T) (rootfs.Root, string, string) {
	t.Helper()
	inside, outside := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600))
	for name, target := range map[string]string{
		"absolute": outside, "up": strings.Repeat("../", 30) + outside, "nowhere": outside + "/new", "loop": "loop", "far": "absolute/a/b",
	} {
		require.NoError(t, os.Symlink(target, filepath.Join(inside, name)))
	}
	root, err := rootfs.OpenRoot(inside)
	require.NoError(t, err)
	t.Cleanup(root.Close)
	return root, inside, outside
}
