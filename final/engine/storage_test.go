//go:build linux

package engine

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/engine/ids"
	"container-workshop/final/rootfs"
	"container-workshop/final/rootless"
	"container-workshop/final/spec"
)

// stored makes the storage of a container for a root of all state, and returns the ID.
func stored(t *testing.T, root string) string {
	t.Helper()
	random, err := spec.MakeID()
	require.NoError(t, err)
	id := "test-" + random
	tree, err := rootfs.OpenRoot(t.TempDir())
	require.NoError(t, err)
	defer tree.Close()
	held, err := makeStorage(root, id, &lower{tree: tree}, ids.Range{}, map[string]string{"hostname": "box\n"})
	require.NoError(t, err)
	unix.Close(held)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(directory(id))) })
	return id
}

func TestReleaseRemovesWhatTheEngineKeeps(t *testing.T) {
	root := t.TempDir()
	id := stored(t, root)
	hostname, err := os.ReadFile(filepath.Join(FilesDir(id), "hostname"))
	require.NoError(t, err)
	assert.Equal(t, "box\n", string(hostname))
	require.NoError(t, os.WriteFile(filepath.Join(directory(id), "upper/written"), nil, 0o600))
	require.NoError(t, Release(root, id))
	assert.NoDirExists(t, directory(id))
	require.NoError(t, Release(root, id), "there is nothing to remove any more")
}

// A container under another --root may have the same ID.
func TestReleaseLeavesTheStorageOfAnotherRootAlone(t *testing.T) {
	root, other := t.TempDir(), t.TempDir()
	id := stored(t, other)
	require.NoError(t, Release(root, id))
	assert.DirExists(t, filepath.Join(directory(id), "upper"))

	// Somebody who was killed before he could write whose it is has left it.
	require.NoError(t, os.Remove(filepath.Join(directory(id), "root")))
	require.NoError(t, Release(root, id))
	assert.NoDirExists(t, directory(id))
}

func TestStorageOfAnotherRootIsRefusedAsLongAsItsContainerIsThere(t *testing.T) {
	root, other := t.TempDir(), t.TempDir()
	id := stored(t, other)
	require.NoError(t, checkStorage(other, id))
	require.NoError(t, checkStorage(root, id), "its container has gone")
	require.NoError(t, os.Mkdir(filepath.Join(other, id), 0o700))
	assert.ErrorContains(t, checkStorage(root, id), "already exists under --root "+other)
	require.NoError(t, checkStorage(root, "test-nobody"))
}

func TestStorageOfAContainerThatHasJustStartedStays(t *testing.T) {
	id := stored(t, t.TempDir())
	storage, err := openStorage()
	require.NoError(t, err)
	defer unix.Close(storage)
	tree, err := rootfs.OpenRoot(t.TempDir())
	require.NoError(t, err)
	defer tree.Close()
	written := filepath.Join(directory(id), "upper/written")
	require.NoError(t, os.WriteFile(written, nil, 0o600))
	other, err := os.Open(directory(id))
	require.NoError(t, err)
	defer other.Close()
	require.NoError(t, unix.Flock(int(other.Fd()), unix.LOCK_EX))
	_, err = makeOverlayDir(tree, ids.Range{}, storage, id)
	assert.ErrorContains(t, err, "choose another ID")
	assert.FileExists(t, written)

	require.NoError(t, unix.Flock(int(other.Fd()), unix.LOCK_UN))
	held, err := makeOverlayDir(tree, ids.Range{}, storage, id)
	require.NoError(t, err)
	unix.Close(held)
	assert.NoFileExists(t, written)
}

func TestReleaseMakesNoStorage(t *testing.T) {
	// This thread sees an empty /var/lib, and ends with the test.
	runtime.LockOSThread()
	require.NoError(t, unix.Unshare(unix.CLONE_FS|unix.CLONE_NEWNS))
	require.NoError(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	require.NoError(t, unix.Mount("tmpfs", "/var/lib", "tmpfs", 0, "mode=755"))
	require.NoError(t, Release("/run/nobody", "test-nobody"))
	require.NoDirExists(t, "/var/lib/container-workshop")
}

func TestEachUserHasAHome(t *testing.T) {
	assert.Equal(t, "/var/lib/container-workshop/containers", Storage())
	t.Setenv("HOME", "/home/alice")
	t.Setenv("XDG_DATA_HOME", "")
	assert.Equal(t, "/home/alice/.local/share/container-workshop", rootless.Home())
	t.Setenv("XDG_DATA_HOME", "/data")
	assert.Equal(t, "/data/container-workshop", rootless.Home())
	t.Setenv("XDG_DATA_HOME", "relative")
	assert.Equal(t, "/home/alice/.local/share/container-workshop", rootless.Home(), "the specification ignores a relative path")
}

// Anybody can set the variable, and sudo can be told to keep it.
func TestTheHostsRootDoesNotBelieveTheMarkOfAUserNamespace(t *testing.T) {
	for _, marker := range []string{"1000", "0", "!unshare:1", "root"} {
		t.Setenv(rootless.Marker, marker)
		assert.Equal(t, "/var/lib/container-workshop", Home(), marker)
		assert.Equal(t, 0, rootless.UID(), marker)
	}
}
