//go:build linux

package rootfs

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/internal/needs"
)

func TestOptions(t *testing.T) {
	const ro, atime = unix.MOUNT_ATTR_RDONLY, unix.MOUNT_ATTR__ATIME
	for _, test := range []struct {
		words    string
		expected Options
	}{
		{"", Options{}},
		{"defaults rw", Options{Clear: ro}},
		{"ro nosuid", Options{Set: ro | unix.MOUNT_ATTR_NOSUID}},
		{"dev nodev exec noexec", Options{Set: unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC}},
		{"ro rw", Options{Clear: ro}},
		{"rw ro", Options{Set: ro}},
		{"suid nosuid symfollow nosymfollow", Options{Set: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOSYMFOLLOW}},
		{"bind rro", Options{Bind: true, Set: ro, SetAll: ro}},
		{"rro rw", Options{Clear: ro, SetAll: ro}},
		{"rw rro", Options{Set: ro, SetAll: ro}},
		{"ro rrw", Options{Clear: ro, ClearAll: ro}},
		{"rro rrw", Options{Clear: ro, ClearAll: ro}},
		{"noatime", Options{Set: unix.MOUNT_ATTR_NOATIME, Clear: atime}},
		{"noatime strictatime", Options{Set: unix.MOUNT_ATTR_STRICTATIME, Clear: atime}},
		{"noatime relatime", Options{Clear: atime}},
		{"relatime noatime", Options{Set: unix.MOUNT_ATTR_NOATIME, Clear: atime}},
		{"strictatime atime", Options{Set: unix.MOUNT_ATTR_STRICTATIME, Clear: atime}},
		{"noatime nostrictatime norelatime", Options{Set: unix.MOUNT_ATTR_NOATIME, Clear: atime}},
		{"rnoatime relatime", Options{Clear: atime, SetAll: unix.MOUNT_ATTR_NOATIME, ClearAll: atime}},
		{"rnodiratime diratime", Options{Clear: unix.MOUNT_ATTR_NODIRATIME, SetAll: unix.MOUNT_ATTR_NODIRATIME}},
		{"rbind rprivate", Options{Bind: true, Recursive: true, Propagation: unix.MS_PRIVATE, PropagationAll: true}},
		{"slave", Options{Propagation: unix.MS_SLAVE}},
		{"rslave runbindable shared", Options{Propagation: unix.MS_SHARED}},
		{"size=16m mode=1777 tmpcopyup", Options{Data: []string{"size=16m", "mode=1777"}, CopyUp: true}},
		{"sync size=1m lazytime mand dirsync", Options{Data: []string{"sync", "lazytime", "mand", "dirsync", "size=1m"}}},
		{"async sync nolazytime lazytime lazytime nomand", Options{Data: []string{"sync", "lazytime", "nomand"}}},
		{"loud silent iversion noiversion", Options{}},
		{"sync bind async dirsync", Options{Bind: true}},
		{"idmap", Options{IDMap: true}},
		{"idmap ridmap", Options{IDMap: true, IDMapAll: true}},
		{"ridmap idmap", Options{IDMap: true}},
		{"remount bind ro", Options{Remount: true, Bind: true, Set: ro}},
	} {
		options, err := ParseOptions(strings.Fields(test.words))
		assert.NoError(t, err)
		options.named = 0
		assert.Equal(t, test.expected, options, test.words)
	}
	_, err := ParseOptions([]string{"bind", "sync", "size=1m", "sise"})
	assert.ErrorContains(t, err, "sise")
	options, err := ParseOptions([]string{"bind", "mode=755"})
	assert.NoError(t, err)
	assert.Empty(t, options.Data)
}

func TestSeveralWordsInOneOption(t *testing.T) {
	for option, expected := range map[string][]string{
		"size=1m,mode=700":                {"size=1m", "mode=700"},
		",size=1m,,":                      {"size=1m"},
		`context="a:b:s0:c1,c2",size=1m`:  {`context="a:b:s0:c1,c2"`, "size=1m"},
		`lowerdir=/a\,b:/c,upperdir=/u`:   {`lowerdir=/a\,b:/c`, "upperdir=/u"},
		`size=1m,context="never closed,x`: {"size=1m", `context="never closed,x`},
		`ends=with\`:                      {`ends=with\`},
	} {
		options, err := ParseOptions([]string{option})
		assert.NoError(t, err)
		assert.Equal(t, expected, options.Data, option)
	}
	options, err := ParseOptions([]string{"ro,nosuid", "rw"})
	assert.NoError(t, err)
	assert.Equal(t, uint64(unix.MOUNT_ATTR_NOSUID), options.Set)
	for text, value := range map[string]string{`"a,b"`: "a,b", `a"b"`: `a"b"`, `"`: `"`, `""`: "", "": ""} {
		assert.Equal(t, value, unquoted(text))
	}
}

func TestAttributesOfABindMount(t *testing.T) {
	const (
		ro, nosuid, nodev, noexec = unix.MOUNT_ATTR_RDONLY, unix.MOUNT_ATTR_NOSUID, unix.MOUNT_ATTR_NODEV, unix.MOUNT_ATTR_NOEXEC
		nofollow                  = unix.MOUNT_ATTR_NOSYMFOLLOW
		noatime, strict, nodir    = unix.MOUNT_ATTR_NOATIME, unix.MOUNT_ATTR_STRICTATIME, unix.MOUNT_ATTR_NODIRATIME
	)
	const failed = ^uint64(0)
	for _, test := range []struct {
		words string
		has   uint64
		// free and locked are what the mount has in the end, without and with a user namespace.
		free, locked uint64
	}{
		{"bind", ro | noexec | nofollow | nodir, ro | noexec | nofollow | nodir, ro | noexec | nofollow | nodir},
		{"rbind rprivate", ro, ro, ro},
		{"bind dev", ro | noexec | nofollow | nodir, nodir, ro | noexec | nodir},
		{"bind nosuid nodev", ro, nosuid | nodev, ro | nosuid | nodev},
		{"bind rw nosuid", ro, nosuid, failed},
		{"bind rw", 0, 0, 0},
		{"bind dev suid exec atime", nosuid | nodev | noexec | noatime, noatime, failed},
		{"bind ro", nosuid | nodev | noexec | noatime, ro | noatime, ro | nosuid | nodev | noexec | noatime},
		{"bind ro symfollow", nodev | nofollow, ro, ro | nodev},
		{"bind atime", noatime, noatime, noatime},
		{"bind diratime", nodir, nodir, nodir},
		{"bind nostrictatime", strict, strict, strict},
		{"bind relatime", noatime, 0, failed},
		{"bind relatime", 0, 0, 0},
		{"bind nodiratime", noatime, nodir, failed},
		{"bind nodiratime", nodir, nodir, nodir},
		{"bind strictatime", nodir, strict, failed},
		{"bind noatime", strict, noatime, failed},
		{"bind nodiratime strictatime", noatime, nodir | strict, failed},
		{"rbind rro", nosuid, ro | nosuid, ro | nosuid},
		{"rbind rsuid", nosuid | ro, ro, failed},
		{"rbind rro rw", nosuid, 0, nosuid},
	} {
		options, err := ParseOptions(strings.Fields(test.words))
		require.NoError(t, err)
		for i, want := range []uint64{test.free, test.locked} {
			set, clear, err := options.OfBind(test.has, i == 1)
			if want == failed {
				assert.ErrorIs(t, err, unix.EPERM, "%s of %x", test.words, test.has)
				continue
			}
			require.NoError(t, err, test.words)
			if (set|clear)&unix.MOUNT_ATTR__ATIME != 0 {
				clear |= unix.MOUNT_ATTR__ATIME
			}
			assert.Equal(t, want, test.has&^clear|set, "%s of %x, locked: %v", test.words, test.has, i == 1)
		}
	}
}

// The table of config.md, Linux mount options, and rnodev, which it forgets.
const specification = `
	async atime bind defaults dev diratime dirsync exec iversion lazytime loud mand noatime nodev nodiratime noexec
	noiversion nolazytime nomand norelatime nostrictatime nosuid nosymfollow private ratime rbind rdev rdiratime relatime
	remount rexec rnoatime rnodev rnodiratime rnoexec rnorelatime rnostrictatime rnosuid rnosymfollow ro rprivate
	rrelatime rro rrw rshared rslave rstrictatime rsuid rsymfollow runbindable rw shared silent slave strictatime suid
	symfollow sync tmpcopyup unbindable idmap ridmap`

func TestWordsAreThoseOfTheSpecification(t *testing.T) {
	expected := strings.Fields(specification)
	slices.Sort(expected)
	assert.Equal(t, expected, Words())
	for _, word := range expected {
		options, err := ParseOptions([]string{word})
		require.NoError(t, err)
		mount, err := MakeFilesystem("tmpfs", "tmpfs", options.Data, options.Flags())
		if assert.NoError(t, err, word) {
			assert.NoError(t, Change(mount, options.SetAll, options.ClearAll, 0, true), word)
			assert.NoError(t, Change(mount, options.Set, options.Clear, options.Propagation, options.PropagationAll), word)
			unix.Close(mount)
		}
	}
}

// seen returns the flags of the file system that a file is on, and of its mount, which have to do with words.
func seen(t *testing.T, name string) int64 {
	t.Helper()
	var fs unix.Statfs_t
	require.NoError(t, unix.Statfs(name, &fs))
	return fs.Flags & (unix.ST_RDONLY | unix.ST_NOSUID | unix.ST_NODEV | unix.ST_NOEXEC | unix.ST_SYNCHRONOUS | unix.ST_MANDLOCK |
		unix.ST_NOATIME | unix.ST_NODIRATIME | unix.ST_RELATIME | nosymfollow)
}

const nosymfollow = 0x2000 // ST_NOSYMFOLLOW, statfs(2)

func TestWordsHaveTheirEffectOnANewFileSystem(t *testing.T) {
	for words, expected := range map[string]int64{
		"":                          unix.ST_RELATIME,
		"ro nosuid nodev noexec":    unix.ST_RDONLY | unix.ST_NOSUID | unix.ST_NODEV | unix.ST_NOEXEC | unix.ST_RELATIME,
		"rro rnosuid suid":          unix.ST_RDONLY | unix.ST_RELATIME,
		"rro rw":                    unix.ST_RELATIME,
		"sync mand":                 unix.ST_SYNCHRONOUS | unix.ST_MANDLOCK | unix.ST_RELATIME,
		"sync async mand nomand":    unix.ST_RELATIME,
		"noatime nodiratime":        unix.ST_NOATIME | unix.ST_NODIRATIME,
		"noatime strictatime":       0,
		"strictatime relatime":      unix.ST_RELATIME,
		"rnosymfollow rstrictatime": nosymfollow,
	} {
		options, err := ParseOptions(strings.Fields(words))
		require.NoError(t, err)
		mount, err := MakeFilesystem("tmpfs", "tmpfs", options.Data, options.Flags())
		if assert.NoError(t, err, words) {
			assert.Equal(t, expected, seen(t, fmt.Sprintf("/proc/self/fd/%d", mount)), words)
			unix.Close(mount)
		}
	}
}

// attached mounts a tmpfs on a directory, which it makes, until the end of the test.
func attached(t *testing.T, dir string, words ...string) {
	t.Helper()
	options, err := ParseOptions(words)
	require.NoError(t, err)
	mount, err := MakeFilesystem("tmpfs", "tmpfs", options.Data, options.Flags())
	require.NoError(t, err)
	defer unix.Close(mount)
	require.NoError(t, os.MkdirAll(dir, 0o755))
	target, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(target)
	require.NoError(t, Attach(mount, target))
	t.Cleanup(func() { assert.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
}

func TestFlagsOfAFileSystemAreListed(t *testing.T) {
	needs.OwnMounts(t)
	dir := filepath.Join(t.TempDir(), "mounted")
	attached(t, dir, "lazytime", "dirsync", "silent")
	mounts, err := os.ReadFile("/proc/thread-self/mountinfo")
	require.NoError(t, err)
	_, line, _ := strings.Cut(string(mounts), " "+dir+" ")
	line, _, _ = strings.Cut(line, "\n")
	assert.Contains(t, line, "lazytime")
	assert.Contains(t, line, "dirsync")
}

func TestWordsHaveTheirEffectOnABindMountAndBelow(t *testing.T) {
	needs.OwnMounts(t)
	dir := filepath.Join(t.TempDir(), "mounted")
	attached(t, dir, "noatime", "noexec")
	attached(t, filepath.Join(dir, "below"), "noatime", "noexec")
	for words, expected := range map[string][2]int64{
		"norelatime loud":            {unix.ST_NOATIME | unix.ST_NOEXEC, unix.ST_NOATIME | unix.ST_NOEXEC},
		"ro exec sync":               {unix.ST_RDONLY | unix.ST_NOATIME, unix.ST_NOATIME | unix.ST_NOEXEC},
		"rro rexec":                  {unix.ST_RDONLY | unix.ST_NOATIME, unix.ST_RDONLY | unix.ST_NOATIME},
		"rro rw relatime":            {unix.ST_RELATIME | unix.ST_NOEXEC, unix.ST_RDONLY | unix.ST_NOATIME | unix.ST_NOEXEC},
		"ro rrw rexec":               {unix.ST_NOATIME, unix.ST_NOATIME},
		"rstrictatime noatime nodev": {unix.ST_NOATIME | unix.ST_NODEV | unix.ST_NOEXEC, unix.ST_NOEXEC},
		"ratime":                     {unix.ST_RELATIME | unix.ST_NOEXEC, unix.ST_RELATIME | unix.ST_NOEXEC},
	} {
		options, err := ParseOptions(append(strings.Fields(words), "rbind"))
		require.NoError(t, err)
		clone, err := Clone(dir, options.Recursive)
		require.NoError(t, err)
		require.NoError(t, Change(clone, options.SetAll, options.ClearAll, 0, true))
		require.NoError(t, Change(clone, options.Set, options.Clear, 0, false))
		assert.Equal(t, expected[0], seen(t, fmt.Sprintf("/proc/self/fd/%d", clone)), words)
		assert.Equal(t, expected[1], seen(t, filepath.Join(fmt.Sprintf("/proc/self/fd/%d", clone), "below")), words)
		unix.Close(clone)
	}
}
