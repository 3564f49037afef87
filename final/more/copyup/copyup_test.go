//go:build linux

package copyup

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/rootfs"
	"container-workshop/internal/needs"
)

// plain copies without a user namespace.
var plain = Copy{Proc: "/proc"}

// empty returns a tmpfs that is attached nowhere, and a path of its root directory.
func empty(t *testing.T) (int, string) {
	t.Helper()
	mount, err := rootfs.MakeFilesystem("tmpfs", "tmpfs", nil, 0)
	require.NoError(t, err)
	t.Cleanup(func() { unix.Close(mount) })
	return mount, plain.path(mount) + "/"
}

// copied copies the directory data below the root, and returns a path of the copy.
func copied(t *testing.T, inside string) (string, error) {
	t.Helper()
	root, err := rootfs.OpenRoot(inside)
	require.NoError(t, err)
	defer root.Close()
	mount, dir := empty(t)
	return dir, copyTo(root, "/data", mount)
}

// copyTo copies a directory below the root, which is made if it is not there, as for a mount.
func copyTo(root rootfs.Root, name string, mount int) error {
	place, _, err := rootfs.Maker{Root: root}.Place(name, true)
	if err != nil {
		return err
	}
	defer unix.Close(place)
	return plain.Up(place, name, mount, false)
}

// known has what a copy has in common with the file.
type known struct {
	mode, uid, gid uint32
	device         uint64
	size, modified int64
	link, content  string
	trusted        string
}

func knownOf(t *testing.T, name string) known {
	t.Helper()
	var stat unix.Stat_t
	require.NoError(t, unix.Lstat(name, &stat))
	k := known{mode: stat.Mode, uid: stat.Uid, gid: stat.Gid, device: stat.Rdev, modified: stat.Mtim.Nano()}
	switch stat.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		link, err := os.Readlink(name)
		require.NoError(t, err)
		k.link = link
	case unix.S_IFREG:
		k.size = stat.Size
		if stat.Size < 1<<30 {
			content, err := os.ReadFile(name)
			require.NoError(t, err)
			k.content = string(content)
		}
	}
	value := make([]byte, 100)
	if n, err := unix.Lgetxattr(name, "trusted.test", value); err == nil {
		k.trusted = string(value[:n])
	}
	return k
}

// tree makes a directory with files of all types in it.
func tree(t *testing.T, dir string) {
	t.Helper()
	path := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.MkdirAll(path("a/b/c"), 0o755))
	require.NoError(t, os.Mkdir(path("nobody enters"), 0))
	require.NoError(t, os.WriteFile(path("setuid"), []byte("text"), 0o644))
	require.NoError(t, os.WriteFile(path("a/b/big"), bytes.Repeat([]byte("0123456789"), 300_000), 0o400))
	require.NoError(t, os.WriteFile(path("a/none"), nil, 0o644))
	links := map[string]string{"a/absolute": "/etc/passwd", "a/up": "../../../..", "nowhere": "nowhere", "a/b/dir": "c"}
	for link, target := range links {
		require.NoError(t, os.Symlink(target, path(link)))
	}
	require.NoError(t, unix.Mkfifo(path("a/fifo"), 0o620))
	require.NoError(t, unix.Mknod(path("a/socket"), unix.S_IFSOCK|0o600, 0))
	require.NoError(t, unix.Mknod(path("a/null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	require.NoError(t, unix.Mknod(path("a/disk"), unix.S_IFBLK|0o640, int(unix.Mkdev(7, 200))))
	for name, mode := range map[string]uint32{"setuid": 0o6755, "a/b": 0o3770, ".": 0o1751} {
		require.NoError(t, os.Chown(path(name), 12, 34))
		require.NoError(t, unix.Chmod(path(name), mode))
	}
	require.NoError(t, os.Lchown(path("nowhere"), 5, 6))
	for _, name := range []string{"setuid", "a/b", "nowhere", "a/null"} {
		require.NoError(t, unix.Lsetxattr(path(name), "trusted.test", []byte(name), 0))
	}
	// The deepest first: what is made in a directory changes its times.
	for i, name := range []string{"a/b/big", "a/b/c", "a/fifo", "a/b", "a", "nowhere", "."} {
		long := unix.NsecToTimespec(1_000_000_000_123_456_789 + int64(i))
		require.NoError(t, unix.UtimesNanoAt(unix.AT_FDCWD, path(name), []unix.Timespec{long, long}, unix.AT_SYMLINK_NOFOLLOW))
	}
}

func namesIn(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	require.NoError(t, filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		below, _ := filepath.Rel(dir, name)
		names = append(names, below)
		return err
	}))
	return names
}

func TestCopyUpCopiesFilesOfAllTypes(t *testing.T) {
	inside := t.TempDir()
	tree(t, filepath.Join(inside, "data"))
	dir, err := copied(t, inside)
	require.NoError(t, err)
	names := namesIn(t, filepath.Join(inside, "data"))
	assert.Equal(t, names, namesIn(t, dir))
	assert.Len(t, names, 16)
	for _, name := range names {
		assert.Equal(t, knownOf(t, filepath.Join(inside, "data", name)), knownOf(t, dir+name), name)
	}
}

func TestCopyUpLeavesHoles(t *testing.T) {
	inside := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(inside, "data"), 0o755))
	file, err := os.Create(filepath.Join(inside, "data/lastlog"))
	require.NoError(t, err)
	for _, offset := range []int64{1 << 20, 1 << 36} {
		_, err = file.WriteAt([]byte("text"), offset)
		require.NoError(t, err)
	}
	require.NoError(t, errors.Join(file.Truncate(1<<40), file.Close()))
	dir, err := copied(t, inside)
	require.NoError(t, err)
	var stat unix.Stat_t
	require.NoError(t, unix.Stat(filepath.Join(dir, "lastlog"), &stat))
	assert.Equal(t, int64(1<<40), stat.Size)
	assert.LessOrEqual(t, stat.Blocks, int64(1<<20/512))
	file, err = os.Open(filepath.Join(dir, "lastlog"))
	require.NoError(t, err)
	defer file.Close()
	for _, offset := range []int64{1 << 20, 1 << 36} {
		text := make([]byte, 4)
		_, err = file.ReadAt(text, offset)
		assert.NoError(t, err)
		assert.Equal(t, "text", string(text))
	}
}

func TestCopyUpDoesNotLeaveTheRoot(t *testing.T) {
	root, inside, outside := hostile(t)
	mount, dir := empty(t)
	for _, name := range []string{"absolute", "up", "../../../.." + outside, "nowhere", "missing/deep"} {
		assert.NoError(t, copyTo(root, name, mount), name)
	}
	assert.ErrorIs(t, copyTo(root, "loop", mount), unix.ELOOP)
	assert.Equal(t, []string{"."}, namesIn(t, dir))

	require.NoError(t, os.MkdirAll(filepath.Join(inside, outside), 0o755))
	newFile(t, filepath.Join(inside, outside), "inside")
	assert.NoError(t, copyTo(root, "absolute", mount))
	assert.Equal(t, []string{".", "inside", "new"}, namesIn(t, dir), "new is what nowhere leads to")
}

func TestCopyUpOfWhatIsNoDirectory(t *testing.T) {
	root, inside, _ := hostile(t)
	newFile(t, inside, "file")
	mount, _ := empty(t)
	err := copyTo(root, "file", mount)
	assert.ErrorIs(t, err, unix.ENOTDIR)
	assert.ErrorContains(t, err, "file")
}

func TestCopyUpLeavesOutMounts(t *testing.T) {
	needs.OwnMounts(t)
	inside := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(inside, "data/plain"), 0o755))
	attached(t, filepath.Join(inside, "data/volume"))
	newFile(t, filepath.Join(inside, "data/volume"), "file")
	dir, err := copied(t, inside)
	assert.NoError(t, err)
	assert.Equal(t, []string{".", "plain"}, namesIn(t, dir))

	// The directory itself can be one.
	attached(t, filepath.Join(inside, "data"))
	newFile(t, filepath.Join(inside, "data"), "file")
	dir, err = copied(t, inside)
	assert.NoError(t, err)
	assert.Equal(t, []string{".", "file"}, namesIn(t, dir))
}

func TestCopyUpDoesNotWaitForALease(t *testing.T) {
	inside := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(inside, "data"), 0o755))
	fd, err := unix.Open(newFile(t, filepath.Join(inside, "data"), "leased"), unix.O_RDWR|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(fd)
	_, err = unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_WRLCK)
	require.NoError(t, err)
	start := time.Now()
	_, err = copied(t, inside)
	assert.ErrorContains(t, err, "/data/leased: another process holds a lease")
	assert.Less(t, time.Since(start), 10*time.Second)
}

func TestCopyUpHasABottom(t *testing.T) {
	inside := t.TempDir()
	deep := filepath.Join(inside, "data", strings.Repeat("d/", maxCopyDepth-1))
	require.NoError(t, os.MkdirAll(deep, 0o755))
	dir, err := copied(t, inside)
	assert.NoError(t, err)
	assert.Len(t, namesIn(t, dir), maxCopyDepth)

	require.NoError(t, os.Mkdir(filepath.Join(deep, "last"), 0o755))
	_, err = copied(t, inside)
	assert.ErrorContains(t, err, "d/d/last: more than 256 nested directories")
}

func TestCopyUpNamesTheFile(t *testing.T) {
	inside := t.TempDir()
	tree(t, filepath.Join(inside, "data"))
	root, err := rootfs.OpenRoot(inside)
	require.NoError(t, err)
	defer root.Close()
	small, err := rootfs.MakeFilesystem("tmpfs", "tmpfs", []string{"size=1m"}, 0)
	require.NoError(t, err)
	defer unix.Close(small)
	err = copyTo(root, "data", small)
	assert.ErrorIs(t, err, unix.ENOSPC)
	assert.ErrorContains(t, err, "data/a/b/big")
	readOnly, err := rootfs.MakeFilesystem("tmpfs", "tmpfs", nil, unix.MOUNT_ATTR_RDONLY)
	require.NoError(t, err)
	defer unix.Close(readOnly)
	assert.ErrorIs(t, copyTo(root, "data", readOnly), unix.EROFS)
}

// The test starts itself again in a user namespace, where it copies what the variable says.
func TestCopyUpInAUserNamespace(t *testing.T) {
	if inside := os.Getenv("COPY_UP_IN_A_USER_NAMESPACE"); inside != "" {
		dir, err := copied(t, inside)
		require.NoError(t, err)
		t.Logf("copied: %q", namesIn(t, dir))
		t.Logf("setuid: %o", knownOf(t, filepath.Join(dir, "setuid")).mode)
		return
	}
	again := func(inside string, size int) string {
		cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), "COPY_UP_IN_A_USER_NAMESPACE="+inside)
		ids := []syscall.SysProcIDMap{{Size: size}}
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS, UidMappings: ids, GidMappings: ids}
		output, _ := cmd.CombinedOutput()
		return string(output)
	}
	inside := t.TempDir()
	tree(t, filepath.Join(inside, "data"))
	output := again(inside, 1000)
	assert.Contains(t, output, `"a/fifo" "a/none" "a/socket" "a/up"`, "without the devices")
	assert.Contains(t, output, "setuid: 106755")

	// The owner of the directory has no ID here.
	require.NoError(t, os.Mkdir(filepath.Join(inside, "other"), 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(inside, "other/data"), 0o755))
	require.NoError(t, os.Chown(filepath.Join(inside, "other/data"), 12, 34))
	output = again(filepath.Join(inside, "other"), 10)
	assert.Contains(t, output, "copy /data: give the copy to 65534:65534: invalid argument (the user namespace has no such IDs")
}
