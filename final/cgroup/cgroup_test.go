//go:build linux

package cgroup

import (
	"encoding/json"
	"os"
	"path"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestLifeOfACgroup(t *testing.T) {
	c := created(t, nil)
	for _, d := range c.Dirs {
		assert.DirExists(t, d.Path)
		assert.Equal(t, d.Path, d.Made)
	}
	child := start(t, "exec sleep 1000")
	require.NoError(t, c.Join(child.Process.Pid))

	lines, err := os.ReadFile("/proc/" + strconv.Itoa(child.Process.Pid) + "/cgroup")
	require.NoError(t, err)
	for line := range strings.Lines(string(lines)) {
		assert.True(t, strings.HasSuffix(strings.TrimSpace(line), ":/"+path.Base(c.Dirs[0].Path)), line)
	}
	pids, err := c.Procs()
	require.NoError(t, err)
	assert.Equal(t, []int{child.Process.Pid}, pids)

	// A later process knows it from the state file.
	text, err := json.Marshal(c)
	require.NoError(t, err)
	var later Cgroup
	require.NoError(t, json.Unmarshal(text, &later))
	require.NoError(t, later.Kill(unix.SIGKILL))
	require.NoError(t, later.Remove())
	require.NoError(t, later.Remove())
	for _, d := range c.Dirs {
		assert.NoDirExists(t, d.Path)
	}
	pids, err = c.Procs()
	assert.NoError(t, err)
	assert.Empty(t, pids)
	assert.NoError(t, c.Kill(unix.SIGKILL))
}

func TestCreateMakesParentsAndRemovesThem(t *testing.T) {
	parent := testPath()
	first, err := New(parent+"/a/b", nil)
	require.NoError(t, err)
	require.NoError(t, first.Make())
	second, err := New(parent+"/a/c", nil)
	require.NoError(t, err)
	require.NoError(t, second.Make())
	assert.Equal(t, path.Join(first.Dirs[0].Mount, parent), first.Dirs[0].Made)
	assert.Equal(t, second.Dirs[0].Path, second.Dirs[0].Made)

	require.NoError(t, first.Remove())
	assert.NoDirExists(t, first.Dirs[0].Path)
	assert.DirExists(t, second.Dirs[0].Path, "the first must leave the second alone")
	require.NoError(t, second.Remove())
	assert.NoDirExists(t, second.Dirs[0].Path)
	// Who made them was the first, which found them in use. So they stay, until it is told again.
	require.NoError(t, first.Remove())
	for _, d := range first.Dirs {
		assert.NoDirExists(t, d.Made)
	}
}

func TestCreateIsAllOrNothing(t *testing.T) {
	c, err := New(testPath(), nil)
	require.NoError(t, err)
	last := &c.Dirs[len(c.Dirs)-1]
	right := last.Path
	last.Path = right + "\n"
	err = c.Make()
	assert.ErrorIs(t, err, unix.EINVAL)
	assert.ErrorContains(t, err, "mkdir "+right)
	last.Path = right
	for _, d := range c.Dirs {
		assert.NoDirExists(t, d.Path)
	}
}

func TestCreateUsesAnEmptyCgroupAndLeavesItThere(t *testing.T) {
	c := created(t, nil)
	again, err := New("/"+path.Base(c.Dirs[0].Path), nil)
	require.NoError(t, err)
	require.NoError(t, again.Make())
	require.NoError(t, again.Remove())
	for _, d := range c.Dirs {
		assert.DirExists(t, d.Path)
	}
}

func TestCreateRefusesACgroupInUse(t *testing.T) {
	c := created(t, nil)
	child := start(t, "exec sleep 1000")
	require.NoError(t, c.Join(child.Process.Pid))
	again, err := New("/"+path.Base(c.Dirs[0].Path), nil)
	require.NoError(t, err)
	assert.ErrorContains(t, again.Make(), "container's cgroup is not empty")
	require.NoError(t, c.Kill(unix.SIGKILL))
}

func TestJoinOfAProcessThatHasEnded(t *testing.T) {
	c := created(t, nil)
	child := start(t, "exit 0")
	child.begin()
	child.Wait()
	err := c.Join(child.Process.Pid)
	assert.ErrorIs(t, err, unix.ESRCH)
	assert.ErrorContains(t, err, "the process has ended")
}

func TestRemoveWaitsForProcessesAndTakesCgroupsBelow(t *testing.T) {
	c := created(t, nil)
	for _, d := range c.Dirs {
		require.NoError(t, os.MkdirAll(path.Join(d.Path, "below", "deeper"), 0o755))
	}
	child := start(t, "exec sleep 1000")
	require.NoError(t, c.Join(child.Process.Pid))
	removed := make(chan error, 1)
	go func() { removed <- c.Remove() }()
	eventually(t, "it has removed what is empty", func() bool {
		_, err := os.Stat(path.Join(c.Dirs[0].Path, "below"))
		return os.IsNotExist(err)
	})
	assert.DirExists(t, c.Dirs[0].Path)
	child.Process.Kill()
	child.Wait()
	require.NoError(t, <-removed)
	for _, d := range c.Dirs {
		assert.NoDirExists(t, d.Path)
	}
}

func TestPaths(t *testing.T) {
	trees := []tree{
		{name: "memory", version: 1, controllers: []string{"memory"}, mount: "/sys/fs/cgroup/memory", own: "/user/me"},
		{name: "unified", version: 2, mount: "/sys/fs/cgroup/unified", own: "/user/me"},
	}
	for _, test := range []struct{ path, v1, v2 string }{
		{"/a/b", "/a/b", "/a/b"},
		{"//a/./b/", "/a/b", "/a/b"},
		{"a/b", "/user/me/a/b", "/user/a/b"},
		{"test.slice:cri-containerd:1", "/user/me/test.slice:cri-containerd:1", "/user/test.slice:cri-containerd:1"},
		{"/...", "/...", "/..."},
	} {
		require.NoError(t, checkPath(test.path))
		c, err := newIn(V1, trees[:1], test.path, nil)
		require.NoError(t, err)
		assert.Equal(t, "/sys/fs/cgroup/memory"+test.v1, c.Dirs[0].Path)
		c, err = newIn(V2, trees[1:], test.path, nil)
		require.NoError(t, err)
		assert.Equal(t, "/sys/fs/cgroup/unified"+test.v2, c.Dirs[0].Path)
	}
	c, err := newIn(Hybrid, trees, "a/b", nil)
	require.NoError(t, err)
	assert.Equal(t, []string{"/sys/fs/cgroup/memory/user/me/a/b", "/sys/fs/cgroup/unified/user/me/a/b"}, []string{c.Dirs[0].Path, c.Dirs[1].Path})
	for _, bad := range []string{"", "/", ".", "./", "//", "..", "/..", "/../x", "a/../../b", "/a/..", "a\nb", "a\x00"} {
		_, err := New(bad, nil)
		assert.ErrorContains(t, err, "linux.cgroupsPath", "%q", bad)
	}
}

func TestRelativePathIsBelowOurs(t *testing.T) {
	c, err := New("container-workshop-relative", nil)
	require.NoError(t, err)
	lines, err := os.ReadFile("/proc/self/cgroup")
	require.NoError(t, err)
	for _, d := range c.Dirs {
		own, ok := ownCgroup(string(lines), tree{version: d.Version, controllers: d.Controllers, label: "name=" + d.Name})
		require.True(t, ok)
		if c.Mode == V2 {
			own = path.Dir(own)
		}
		assert.Equal(t, path.Join(d.Mount, own, "container-workshop-relative"), d.Path)
	}
}

func TestMounts(t *testing.T) {
	c := &Cgroup{Mode: Hybrid, Dirs: []Dir{
		{Name: "cpu,cpuacct", Version: 1, Controllers: []string{"cpu", "cpuacct"}, Path: "/c/x"},
		{Name: "memory", Version: 1, Controllers: []string{"memory"}, Path: "/m/x"},
		{Name: "systemd", Version: 1, Path: "/s/x"},
		{Name: "unified", Version: 2, Path: "/u/x"},
	}}
	assert.Equal(t, []Mount{
		{Name: "cpu,cpuacct", Source: "/c/x"}, {Name: "cpu", Link: "cpu,cpuacct"}, {Name: "cpuacct", Link: "cpu,cpuacct"},
		{Name: "memory", Source: "/m/x"}, {Name: "systemd", Source: "/s/x"}, {Name: "unified", Source: "/u/x"},
	}, c.Mounts())
	c = &Cgroup{Mode: V2, Dirs: []Dir{{Version: 2, Path: "/sys/fs/cgroup/x"}}}
	assert.Equal(t, []Mount{{Source: "/sys/fs/cgroup/x"}}, c.Mounts())
}

func TestNewRefusesWhatItCannotLimit(t *testing.T) {
	limit := int64(-2)
	_, err := New(testPath(), &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &limit}})
	assert.EqualError(t, err, "linux.resources.pids.limit: -2: must be at least -1, which means no limit")
}

func TestWarmChangesNothing(t *testing.T) {
	before, err := os.ReadFile("/proc/self/cgroup")
	require.NoError(t, err)
	_, trees, err := findTrees(sysfs)
	require.NoError(t, err)
	require.NoError(t, findOwn(trees, procSelf))
	Warm()
	for _, own := range trees {
		// One tree at a time, so that the first to succeed is that one.
		warm([]tree{own})
		require.NoError(t, writeFile(path.Join(own.mount, own.own, "cgroup.procs"), "0"), own.mount)
	}
	after, err := os.ReadFile("/proc/self/cgroup")
	require.NoError(t, err)
	assert.Equal(t, string(before), string(after))
}
