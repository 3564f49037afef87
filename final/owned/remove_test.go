//go:build linux

package owned

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// opened opens a new directory.
func opened(t *testing.T) (fd int, dir string) {
	t.Helper()
	dir = t.TempDir()
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	return fd, dir
}

// dig makes directories, each in the directory before, with a file in each.
func dig(t *testing.T, dir int, name string, levels int) {
	t.Helper()
	at, err := unix.Dup(dir)
	require.NoError(t, err)
	for range levels {
		require.NoError(t, unix.Mkdirat(at, name, 0o755))
		next, err := unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		require.NoError(t, err)
		unix.Close(at)
		at = next
		require.NoError(t, unix.Mknodat(at, "file", unix.S_IFREG|0o600, 0))
	}
	unix.Close(at)
}

// withDescriptors runs a function that may open only a few more descriptors than the process has.
func withDescriptors(t *testing.T, more uint64, do func()) {
	t.Helper()
	var before unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &before))
	open, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(len(open)) + more, Max: before.Max}))
	defer func() { require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &before)) }()
	do()
}

func TestAnyDepthTakesFewDescriptors(t *testing.T) {
	for _, levels := range []int{1, 2, maxOpen - 1, maxOpen, maxOpen + 1, 3 * maxOpen, 1000} {
		for _, name := range []string{"d", strings.Repeat("d", 255)} {
			fd, dir := opened(t)
			dig(t, fd, name, levels)
			require.NoError(t, unix.Mkdirat(fd, "other", 0o755))
			withDescriptors(t, maxOpen+4, func() { require.NoError(t, Remove(fd, name)) })
			left, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Len(t, left, 1)
		}
	}
}

func TestDirectoriesAreReadAgainAfterDeepOnes(t *testing.T) {
	fd, dir := opened(t)
	for _, below := range []string{"top", "top/a/a/a", "top/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, below), 0o755))
		at, err := unix.Open(filepath.Join(dir, below), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		require.NoError(t, err)
		for i := range 10 {
			dig(t, at, fmt.Sprint(i), 2*maxOpen)
		}
		unix.Close(at)
	}
	require.NoError(t, Remove(fd, "top"))
	require.NoDirExists(t, filepath.Join(dir, "top"))
}

// processorTime is the time that this process has had a processor: it does not grow while other processes run. getrusage(2)
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var usage unix.Rusage
	require.NoError(t, unix.Getrusage(unix.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func TestManyFilesTakeNoLongerThanTheyTookToMake(t *testing.T) {
	fd, dir := opened(t)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "wide"), 0o755))
	at, err := unix.Open(filepath.Join(dir, "wide"), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(at)
	start := processorTime(t)
	for i := range 20000 {
		require.NoError(t, unix.Mknodat(at, fmt.Sprint("file", i), unix.S_IFREG|0o600, 0))
		if i%100 == 0 {
			dig(t, at, fmt.Sprint("d", i), maxOpen+5)
		}
	}
	made := processorTime(t) - start
	require.NoError(t, Remove(fd, "wide"))
	removed := processorTime(t) - start - made
	// It takes some hundred times as long to read each directory from its beginning for each entry.
	require.Less(t, removed, 10*made)
	require.NoDirExists(t, filepath.Join(dir, "wide"))
}

func TestNoLinkIsFollowedAndNoMountCrossed(t *testing.T) {
	fd, dir := opened(t)
	outside := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "precious"), nil, 0o600))
	for name, target := range map[string]string{"link": outside, "dir/link": outside, "dir/dir/link": "..", "dir/none": "none"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o000))
		require.NoError(t, os.Symlink(target, filepath.Join(dir, name)))
	}
	require.NoError(t, unix.Mkfifo(filepath.Join(dir, "dir/fifo"), 0o600))
	mounted := filepath.Join(dir, "dir/mounted")
	require.NoError(t, os.Mkdir(mounted, 0o755))
	if err := unix.Mount(outside, mounted, "", unix.MS_BIND, ""); err != nil {
		t.Skipf("needs root that can mount: %v", err)
	}
	defer unix.Unmount(mounted, unix.MNT_DETACH)
	err := Remove(fd, "dir")
	require.ErrorContains(t, err, "dir/mounted")
	require.ErrorContains(t, err, "umount")
	require.NoError(t, unix.Unmount(mounted, 0))
	require.NoError(t, Remove(fd, "dir"))
	require.NoError(t, Remove(fd, "link"))
	require.NoError(t, Remove(fd, "none"))
	require.FileExists(t, filepath.Join(outside, "precious"))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestWhatCannotBeRemovedIsNamed(t *testing.T) {
	fd, dir := opened(t)
	place := filepath.Join(dir, "a/b/c")
	require.NoError(t, os.MkdirAll(place, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(place, "kept"), nil, 0o600))
	file, err := os.Open(filepath.Join(place, "kept"))
	require.NoError(t, err)
	defer file.Close()
	const immutable = 0x10
	if err := unix.IoctlSetPointerInt(int(file.Fd()), unix.FS_IOC_SETFLAGS, immutable); err != nil {
		t.Skipf("needs a file system and the right to make a file immutable: %v", err)
	}
	defer unix.IoctlSetPointerInt(int(file.Fd()), unix.FS_IOC_SETFLAGS, 0)
	err = Remove(fd, "a")
	require.ErrorContains(t, err, "a/b/c/kept")
	require.ErrorContains(t, err, "chattr")
	require.NoError(t, unix.IoctlSetPointerInt(int(file.Fd()), unix.FS_IOC_SETFLAGS, 0))
	require.NoError(t, Remove(fd, "a"))
}

func TestADirectoryOfOthersIsRefused(t *testing.T) {
	for name, m := range map[string]struct {
		make  func(dir string) error
		words string
	}{
		"ours":                            {func(dir string) error { return nil }, ""},
		"of another user":                 {func(dir string) error { return os.Chown(dir+"/a/b", 1000, 0) }, "/a/b belongs to user 1000"},
		"for all to write to":             {func(dir string) error { return os.Chmod(dir+"/a/b", 0o777) }, "other users can write to"},
		"sticky":                          {func(dir string) error { return os.Chmod(dir+"/a/b", 0o777|fs.ModeSticky) }, "other users can write to"},
		"for a group to write to":         {func(dir string) error { return os.Chmod(dir+"/a/b", 0o775) }, "other users can write to"},
		"below one of another user":       {func(dir string) error { return os.Chown(dir+"/a", 1000, 0) }, "/a belongs to user 1000"},
		"below one to write to":           {func(dir string) error { return os.Chmod(dir+"/a", 0o777) }, "other users can write to"},
		"below one that is sticky":        {func(dir string) error { return os.Chmod(dir+"/a", 0o777|fs.ModeSticky) }, ""},
		"a link of ours":                  {func(dir string) error { return relink(dir, "c", 0) }, ""},
		"a relative link of ours":         {func(dir string) error { return relink(dir, "../a/./c/../c", 0) }, ""},
		"a link of another user":          {func(dir string) error { return relink(dir, "c", 1000) }, "is a symbolic link of user 1000"},
		"a link to what is another's":     {func(dir string) error { return errs(relink(dir, "c", 0), os.Chown(dir+"/a/c", 1000, 0)) }, "belongs to user 1000"},
		"a link to itself":                {func(dir string) error { return relink(dir, "b", 0) }, "too many levels"},
		"a file":                          {func(dir string) error { return errs(os.Remove(dir+"/a/b"), os.WriteFile(dir+"/a/b", nil, 0o600)) }, "not a directory"},
		"not there":                       {func(dir string) error { return os.Remove(dir + "/a/b") }, "no such file"},
		"not there, below another user's": {func(dir string) error { return errs(os.Remove(dir+"/a/b"), os.Chown(dir+"/a", 1000, 0)) }, "belongs to user 1000"},
	} {
		t.Run(name, func(t *testing.T) {
			// In some containers /tmp is not sticky, and Open refuses directories below it.
			t.Setenv("TMPDIR", "/var/tmp")
			dir := t.TempDir()
			require.NoError(t, os.MkdirAll(dir+"/a/b", 0o755))
			require.NoError(t, os.Mkdir(dir+"/a/c", 0o755))
			require.NoError(t, m.make(dir))
			fd, err := Open(dir + "/a/b")
			if m.words == "" {
				require.NoError(t, err)
				unix.Close(fd)
				return
			}
			assert.ErrorContains(t, err, m.words)
		})
	}
}

func relink(dir, target string, uid int) error {
	return errs(os.Remove(dir+"/a/b"), os.Symlink(target, dir+"/a/b"), os.Lchown(dir+"/a/b", uid, 0))
}

func errs(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}
