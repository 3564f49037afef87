//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// mayMount gives the container the right to mount.
func (c *bundled) mayMount() {
	for _, set := range []*[]string{&c.spec.Process.Capabilities.Bounding, &c.spec.Process.Capabilities.Effective, &c.spec.Process.Capabilities.Permitted} {
		*set = append(*set, "CAP_SYS_ADMIN")
	}
}

// mountTmpfs is a shell command that mounts a tmpfs.
func mountTmpfs(place string) string {
	return fmt.Sprintf("busybox mkdir -p %[1]s && mount -t tmpfs tmpfs %[1]s", place)
}

// isMounted reports whether something is mounted at a place, as a process sees it.
func isMounted(t *testing.T, mountinfo, place string) bool {
	t.Helper()
	content, err := os.ReadFile(mountinfo)
	require.NoError(t, err)
	return strings.Contains(string(content), " "+place+" ")
}

const ownMounts = "/proc/thread-self/mountinfo"

func TestAReadOnlyRoot(t *testing.T) {
	c := newBundle(t)
	require.NoError(t, os.Rename(c.spec.Root.Path, filepath.Join(c.dir, "rootfs")))
	c.spec.Root.Path, c.spec.Root.Readonly = "rootfs", true
	c.mount("tmpfs", "tmpfs", "/not/there/yet")
	c.mount("bind", file(t, "six", "6"), "/a/file", "bind")
	script := answer("touch /file") + ";" + answer("busybox mkdir /tmp/x") + ";" + answer("touch /not/there/yet/file") + ";" + answer("touch /dev/file") + "; cat /a/file"
	require.Equal(t, "no\nno\nyes\nyes\n6", c.says(script))
	require.Contains(t, c.shown()["/"].options, "ro")
	// It is so in the container only.
	require.NoError(t, os.WriteFile(filepath.Join(c.dir, "rootfs/file"), nil, 0o600))
	c.spec.Root.Readonly = false
	require.Equal(t, "yes", c.says(answer("touch /file")))
	require.Contains(t, c.shown()["/"].options, "rw")
	c.nothingLeft()
}

// mount_namespaces(7)
func TestThePropagationOfTheRoot(t *testing.T) {
	for word, want := range map[string]string{
		"": "", "private": "", "rprivate": "", "slave": "master", "rslave": "master", "shared": "shared", "rshared": "shared", "unbindable": "unbindable",
	} {
		c := newBundle(t)
		c.mayMount()
		c.spec.Linux.RootfsPropagation = word
		c.spec.Linux.MaskedPaths = nil
		root := mountAt(t, c.says("cat /proc/self/mountinfo;"+mountTmpfs("/tmp/inside")), "/")
		fields := strings.Join(root.propagation, " ")
		if want == "" {
			assert.Empty(t, fields, word)
		} else {
			assert.Contains(t, fields, want, word)
		}
		if want != "shared" {
			assert.NotContains(t, fields, "shared", word)
		}
		// Nothing that it mounts is seen on the host, whatever the word.
		c.nothingLeft()
	}
}

// Nothing of an unbindable mount can be bound, so that comes last. mount_namespaces(7)
func TestARootThatCannotBeBoundHasReadOnlyPaths(t *testing.T) {
	for _, word := range []string{"unbindable", "runbindable"} {
		c := newBundle(t)
		c.spec.Linux.RootfsPropagation = word
		c.spec.Linux.ReadonlyPaths = append(c.spec.Linux.ReadonlyPaths, "/tmp")
		shown := c.says("cat /proc/self/mountinfo;" + answer("touch /tmp/file"))
		lines, last := shown[:strings.LastIndex(shown, "\n")+1], shown[strings.LastIndex(shown, "\n")+1:]
		require.Equal(t, "no", last)
		require.Equal(t, []string{"unbindable"}, mountAt(t, lines, "/").propagation)
		c.nothingLeft()
	}
}

func TestWhatTheHostMountsInTheRoot(t *testing.T) {
	for word, seen := range map[string]bool{"": false, "rslave": true, "rshared": true, "rprivate": false} {
		c := newBundle(t)
		c.spec.Linux.RootfsPropagation = word
		pid := c.stays()
		c.hostMount(filepath.Join(c.spec.Root.Path, "later"), 0)
		assert.Equal(t, seen, isMounted(t, fmt.Sprintf("/proc/%d/mountinfo", pid), "/later"), word)
	}
}

func TestAVolumeThatIsSharedWithTheHost(t *testing.T) {
	for _, turn := range []struct {
		kind, word string
		// Whether the host sees what the container mounts, and the container what the host does.
		host, container bool
	}{
		{"rbind", "rshared", true, true}, {"bind", "shared", true, true}, {"rbind", "rslave", false, true}, {"bind", "slave", false, true},
		{"rbind", "rprivate", false, false}, {"bind", "private", false, false}, {"rbind", "", false, false},
	} {
		c := newBundle(t)
		c.mayMount()
		source := t.TempDir()
		c.mount("bind", source, "/volume", turn.kind, turn.word)
		pid := c.stays()
		c.exec(mountTmpfs("/volume/inside"))
		inside := filepath.Join(source, "inside")
		assert.Equal(t, turn.host, isMounted(t, ownMounts, inside), turn.word)
		if turn.host {
			// It outlives the container, as it does for everybody.
			defer func() { assert.NoError(t, unix.Unmount(inside, unix.MNT_DETACH)) }()
		}
		c.hostMount(filepath.Join(source, "outside"), 0)
		assert.Equal(t, turn.container, isMounted(t, fmt.Sprintf("/proc/%d/mountinfo", pid), "/volume/outside"), turn.word)
		require.Equal(t, result{}, c.final("delete", "--force", c.id))
		c.nothingLeft()
	}
}
