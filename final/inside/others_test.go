//go:build linux

package inside_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/inside"
	"container-workshop/final/rootfs"
	"container-workshop/internal/needs"
)

// The paths of the host lead elsewhere in a mount namespace that another container has made.
func TestAContainerInTheMountNamespaceOfAnother(t *testing.T) {
	other := newContainer(t, "echo ready; exec cat /fifo")
	require.NoError(t, unix.Mkfifo(other.in("fifo"), 0o600))
	other.runs()
	c := newContainer(t, "cat /data/file /copy/file; stat -c '%a %u' /copy/file; "+answers("ls /fifo", "cat /proc/self/cmdline", "test -s /secret"))
	c.request.JoinedMounts, c.joined = true, other.cmd.Process.Pid
	c.namespaces &^= unix.CLONE_NEWNS
	require.NoError(t, os.Mkdir(c.in("copy"), 0o755))
	require.NoError(t, os.WriteFile(c.in("copy/file"), []byte("of the image\n"), 0o640))
	require.NoError(t, os.Chown(c.in("copy/file"), 5, 6))
	require.NoError(t, os.WriteFile(c.in("secret"), []byte("secret"), 0o644))
	c.request.Spec.Linux.MaskedPaths = []string{"/secret"}
	c.mount("bind", volume(t), "/data", "rbind")
	source, err := rootfs.Clone(c.request.Spec.Mounts[3].Source, true)
	require.NoError(t, err)
	c.request.Clones = map[int]int{3: source}
	c.mount("tmpfs", "tmpfs", "/copy", "tmpcopyup")
	assert.Equal(t, "of the host\nof the image\n640 5\nno\nyes\nno\n", c.says())
}

// A cgroup of version 1 is one directory of several.
func TestAContainerSeesItsCgroupsAndNoOthers(t *testing.T) {
	for name, prepare := range map[string]func(c *container, own int){
		"version 2": func(c *container, own int) { c.request.Cgroups = []inside.Cgroup{{Mount: own}} },
		"version 1": func(c *container, own int) {
			c.request.Cgroups, c.request.Links = []inside.Cgroup{{Name: "cpu,cpuacct", Mount: own}}, [][2]string{{"/sys/fs/cgroup/cpu", "cpu,cpuacct"}}
		},
	} {
		c := newContainer(t, "cd /sys/fs/cgroup; cat file cpu/file cpu,cpuacct/file;"+answers("touch x", "touch cpu/x"))
		// Any directory does for a cgroup here.
		own, err := rootfs.Clone(volume(t), false)
		require.NoError(t, err)
		prepare(c, own)
		c.mount("cgroup", "cgroup", "/sys/fs/cgroup", "ro", "nosuid", "nodev", "noexec")
		want := "of the host\nof the host\ncat: can't open 'file': No such file or directory\nno\nno\n"
		if name == "version 2" {
			want = "of the host\ncat: can't open 'cpu/file': No such file or directory\ncat: can't open 'cpu,cpuacct/file': No such file or directory\nno\nno\n"
		}
		assert.ElementsMatch(t, strings.Split(want, "\n"), strings.Split(c.says(), "\n"), name)
	}
}

// The clone of a source is made before the mounts become slaves. mount_namespaces(7)
func TestTheHostSeesWhatTheContainerMountsInASharedMount(t *testing.T) {
	c := newContainer(t, "echo ready; mount -t tmpfs tmpfs /shared/below; mount -t tmpfs tmpfs /private/below; cat /fifo")
	needs.OwnMounts(t)
	require.NoError(t, unix.Mkfifo(c.in("fifo"), 0o600))
	dir := volume(t)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "below"), 0o755))
	require.NoError(t, unix.Mount(dir, dir, "", unix.MS_BIND, ""))
	require.NoError(t, unix.Mount("", dir, "", unix.MS_SHARED, ""))
	c.mount("bind", dir, "/private", "rbind")
	c.mount("bind", dir, "/shared", "rbind", "rshared")
	c.runs()
	// The container waits for this when it has mounted.
	require.NoError(t, os.WriteFile(c.in("fifo"), nil, 0o600))
	mounts, err := os.ReadFile("/proc/thread-self/mountinfo")
	require.NoError(t, err)
	assert.Equal(t, 1, strings.Count(string(mounts), " "+dir+"/below "))
}

func TestCgroupsAreWaitedForOnce(t *testing.T) {
	c := newContainer(t, "cat /sys/fs/cgroup/file /again/file")
	waits := 0
	c.request.Await = func() error {
		waits++
		own, err := rootfs.Clone(volume(t), false)
		c.request.Cgroups = []inside.Cgroup{{Mount: own}}
		return err
	}
	c.mount("cgroup", "cgroup", "/sys/fs/cgroup", "ro")
	c.mount("cgroup2", "cgroup", "/again", "ro")
	assert.Equal(t, "of the host\nof the host\n", c.says())
	assert.Equal(t, 1, waits)
}
