//go:build linux

package idmap

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/rootfs"
	"container-workshop/internal/needs"
)

// userNamespace returns a descriptor of a user namespace, in which the user with the ID base, and the group base+1, are 0.
func userNamespace(t *testing.T, base int) int {
	t.Helper()
	// It waits for the end of its input.
	cmd := exec.Command("cat")
	input, err := cmd.StdinPipe()
	require.NoError(t, err)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: base, Size: 1000}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: base + 1, Size: 1000}},
	}
	require.NoError(t, cmd.Start())
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/user", cmd.Process.Pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	assert.NoError(t, errors.Join(err, input.Close(), cmd.Wait()))
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// cloned returns a bind mount that is attached nowhere, and a path of its root directory.
func cloned(t *testing.T, source string) (int, string) {
	t.Helper()
	mount, err := rootfs.Clone(source, true)
	require.NoError(t, err)
	t.Cleanup(func() { unix.Close(mount) })
	return mount, fmt.Sprintf("/proc/self/fd/%d", mount)
}

func ownersOf(t *testing.T, name string) [2]uint32 {
	t.Helper()
	var stat unix.Stat_t
	require.NoError(t, unix.Stat(name, &stat))
	return [2]uint32{stat.Uid, stat.Gid}
}

// mapping returns a directory of a file system that can map IDs, with another mounted below it: tmpfs can since Linux 6.3.
func mapping(t *testing.T) string {
	t.Helper()
	needs.OwnMounts(t)
	dir := filepath.Join(t.TempDir(), "mounted")
	attached(t, dir)
	attached(t, filepath.Join(dir, "below"))
	for _, name := range []string{"file", "below/file"} {
		require.NoError(t, os.Chown(newFile(t, dir, name), 3, 4))
	}
	return dir
}

func TestIDMap(t *testing.T) {
	if !sinceKernel(t, 6, 3) {
		mount, _ := cloned(t, mapping(t))
		assert.ErrorContains(t, Map(mount, userNamespace(t, 100_000), false), "this kernel cannot map the IDs")
		return
	}
	dir := mapping(t)
	users := userNamespace(t, 100_000)
	mount, seen := cloned(t, dir)
	require.NoError(t, Map(mount, users, false))
	assert.Equal(t, [2]uint32{100_003, 100_005}, ownersOf(t, seen+"/file"))
	assert.Equal(t, [2]uint32{3, 4}, ownersOf(t, seen+"/below/file"))
	require.NoError(t, os.Chown(seen+"/file", 100_007, 100_009))
	assert.Equal(t, [2]uint32{7, 8}, ownersOf(t, dir+"/file"))
	assert.ErrorIs(t, os.Chown(seen+"/file", 0, 0), unix.EOVERFLOW)

	mount, seen = cloned(t, dir)
	require.NoError(t, Map(mount, users, true))
	assert.Equal(t, [2]uint32{100_003, 100_005}, ownersOf(t, seen+"/below/file"))
	err := Map(mount, users, true)
	assert.ErrorIs(t, err, unix.EPERM)
	assert.ErrorContains(t, err, "has mapped IDs already")
}

// sinceKernel reports whether the kernel is that version or a later one.
func sinceKernel(t *testing.T, major, minor int) bool {
	t.Helper()
	var name unix.Utsname
	require.NoError(t, unix.Uname(&name))
	var version [2]int
	_, err := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &version[0], &version[1])
	require.NoError(t, err)
	return version[0] > major || version[0] == major && version[1] >= minor
}

func TestIDMapThatIsRefused(t *testing.T) {
	dir, users := mapping(t), userNamespace(t, 100_000)
	host, err := unix.Open("/proc/self/ns/user", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(host)
	mounts, err := unix.Open("/proc/self/ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(mounts)
	attached, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(attached)
	proc, err := rootfs.MakeFilesystem("proc", "proc", nil, 0)
	require.NoError(t, err)
	defer unix.Close(proc)
	mount, seen := cloned(t, dir)
	for _, test := range []struct {
		what         string
		mount, users int
		expected     string
	}{
		{"no descriptor", mount, -1, "not that of a user namespace"},
		{"a directory", mount, mount, "not that of a user namespace"},
		{"a mount namespace", mount, mounts, "not that of a user namespace"},
		{"the host's", mount, host, "operation not permitted"},
		{"proc", proc, users, "this kernel cannot map the IDs"},
		{"a mount in the tree", attached, users, "attached already"},
	} {
		assert.ErrorContains(t, Map(test.mount, test.users, false), test.expected, test.what)
	}
	assert.Equal(t, [2]uint32{3, 4}, ownersOf(t, seen+"/file"))
}

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
