//go:build linux

package cgroup

import (
	"os"
	"path"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// fakeV2 is a directory with the files of a tree of version 2. The cgroup /a/b is there already, as no kernel is there to put
// files into a new one.
func fakeV2(t *testing.T, files map[string]string) (c *Cgroup, root string) {
	t.Helper()
	root = t.TempDir()
	for _, dir := range []string{"", "a", "a/b"} {
		require.NoError(t, os.MkdirAll(path.Join(root, dir), 0o755))
		for _, file := range []string{"cgroup.controllers", "cgroup.subtree_control", "cgroup.procs"} {
			text := ""
			if file == "cgroup.controllers" && dir != "a/b" {
				text = "cpuset cpu io memory pids"
			}
			require.NoError(t, os.WriteFile(path.Join(root, dir, file), []byte(text), 0o644))
		}
	}
	for file, text := range files {
		require.NoError(t, os.WriteFile(path.Join(root, file), []byte(text), 0o644))
	}
	c, err := newIn(V2, []tree{{version: 2, mount: root, own: "/"}}, "/a/b", nil)
	require.NoError(t, err)
	return c, root
}

func fileText(t *testing.T, elements ...string) string {
	t.Helper()
	text, err := os.ReadFile(path.Join(elements...))
	require.NoError(t, err)
	return string(text)
}

func TestCreateEnablesControllersAboveOnly(t *testing.T) {
	c, root := fakeV2(t, map[string]string{"cgroup.subtree_control": "cpu memory\n"})
	c.needed = []string{"cpuset"}
	require.NoError(t, c.Make())
	assert.Equal(t, "+cpuset +io +pids", fileText(t, root, "cgroup.subtree_control"))
	assert.Equal(t, "+cpuset +cpu +io +memory +pids", fileText(t, root, "a/cgroup.subtree_control"))
	assert.Empty(t, fileText(t, root, "a/b/cgroup.subtree_control"), "a container is a leaf, with processes in it")
}

func TestCreateLeavesAloneWhatIsEnabled(t *testing.T) {
	c, root := fakeV2(t, map[string]string{"a/b/cgroup.controllers": "cpu cpuset io memory pids misc\n"})
	require.NoError(t, c.Make())
	assert.Empty(t, fileText(t, root, "cgroup.subtree_control"))
}

func TestCreateWithAControllerThatIsNotThere(t *testing.T) {
	c, root := fakeV2(t, nil)
	c.needed = []string{"pids", "hugetlb"}
	assert.EqualError(t, c.Make(), "the hugetlb controller is not available in "+root+" (its cgroup.controllers has: cpuset cpu io memory pids)")
	// Those that only count are left out.
	c, root = fakeV2(t, map[string]string{"cgroup.controllers": "pids", "a/cgroup.controllers": "pids"})
	c.needed = []string{"pids"}
	require.NoError(t, c.Make())
	assert.Equal(t, "+pids", fileText(t, root, "cgroup.subtree_control"))
}

func TestEnableErrors(t *testing.T) {
	for errno, want := range map[unix.Errno]string{
		unix.EBUSY: "move the processes to a child", unix.EACCES: "need root", unix.EROFS: "mounted read-write", unix.EOPNOTSUPP: "threaded",
	} {
		err := enableError("/c", "+memory", errno)
		assert.ErrorIs(t, err, errno)
		assert.ErrorContains(t, err, "enable +memory below /c: ")
		assert.ErrorContains(t, err, want)
	}
}

func TestSetOnVersion2(t *testing.T) {
	files := map[string]string{"a/b/cgroup.controllers": "cpu io memory pids"}
	for _, file := range []string{"memory.max", "memory.swap.max", "memory.low", "cpu.weight", "cpu.max", "pids.max", "io.weight", "memory.high"} {
		files["a/b/"+file] = "before"
	}
	c, root := fakeV2(t, files)
	require.NoError(t, c.Set(&specs.LinuxResources{
		Memory:  &specs.LinuxMemory{Limit: new(int64(1 << 26)), Swap: new(int64(1 << 26)), Reservation: new(int64(5))},
		CPU:     &specs.LinuxCPU{Shares: new(uint64(2)), Quota: new(int64(50000)), Period: new(uint64(100000))},
		Pids:    &specs.LinuxPids{Limit: new(int64(7))},
		BlockIO: &specs.LinuxBlockIO{Weight: new(uint16(1000))},
		Unified: map[string]string{"memory.high": "1234"},
	}))
	for file, want := range map[string]string{
		"memory.max": "67108864", "memory.swap.max": "0", "memory.low": "5", "cpu.weight": "1", "cpu.max": "50000 100000", "pids.max": "7",
		"io.weight": "default 10000", "memory.high": "1234",
	} {
		assert.Equal(t, want, fileText(t, root, "a/b", file), file)
	}
	// The quota is kept when only the period changes.
	require.NoError(t, c.Set(&specs.LinuxResources{CPU: &specs.LinuxCPU{Period: new(uint64(200000))}}))
	assert.Equal(t, "50000 200000", fileText(t, root, "a/b/cpu.max"))
	require.NoError(t, os.WriteFile(path.Join(root, "a/b/cpu.max"), []byte("max 100000\n"), 0o600))
	require.NoError(t, c.Set(&specs.LinuxResources{CPU: &specs.LinuxCPU{Period: new(uint64(300000))}}))
	assert.Equal(t, "max 300000", fileText(t, root, "a/b/cpu.max"))
}

func TestSetOnVersion2WithoutTheFile(t *testing.T) {
	c, _ := fakeV2(t, map[string]string{"a/b/cgroup.controllers": "cpu io memory pids", "a/b/memory.max": ""})
	err := c.Set(&specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(7))}})
	assert.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, "linux.resources.pids.limit: ")
	assert.ErrorContains(t, err, "the parent's cgroup.subtree_control lacks the controller")

	// Without swap accounting, no swap and any swap are fine. A limit on it is not.
	for swap, ok := range map[int64]bool{100: true, -1: true, 200: false} {
		err := c.Set(&specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: new(int64(100)), Swap: &swap}})
		assert.Equal(t, ok, err == nil, "%d: %v", swap, err)
	}
}

func TestCheckBeforeUpdate(t *testing.T) {
	c, root := fakeV2(t, map[string]string{"a/b/cgroup.controllers": "cpu io memory pids", "a/b/memory.max": "max", "a/b/memory.current": "5000\n"})
	m := &specs.LinuxMemory{Limit: new(int64(4999)), CheckBeforeUpdate: new(true)}
	assert.EqualError(t, c.Set(&specs.LinuxResources{Memory: m}), "linux.resources.memory.limit: the container already uses 5000 bytes, more than 4999")
	assert.Equal(t, "max", fileText(t, root, "a/b/memory.max"))
	m.Limit = new(int64(5000))
	assert.NoError(t, c.Set(&specs.LinuxResources{Memory: m}))
	m.CheckBeforeUpdate, m.Limit = nil, new(int64(1))
	assert.NoError(t, c.Set(&specs.LinuxResources{Memory: m}))
}

func TestEventsOfVersion2(t *testing.T) {
	c, _ := fakeV2(t, map[string]string{
		"a/b/memory.events": "low 0\nhigh 0\nmax 7\noom 2\noom_kill 3\noom_group_kill 1\n", "a/b/memory.max": "67108864\n",
	})
	kills, limit, err := c.OOMKills()
	require.NoError(t, err)
	assert.Equal(t, uint64(3), kills)
	assert.Equal(t, int64(67108864), limit)
	// Without the controllers there is nothing to tell.
	c, _ = fakeV2(t, nil)
	kills, limit, err = c.OOMKills()
	assert.NoError(t, err)
	assert.Zero(t, kills)
	assert.Equal(t, int64(-1), limit)
}

func TestCreateRemovesWhatItMadeIfEnableFails(t *testing.T) {
	c, root := fakeV2(t, nil)
	c.Dirs[0].Path = path.Join(root, "new")
	c.needed = []string{"misc"}
	assert.ErrorContains(t, c.Make(), "misc controller is not available")
	assert.NoDirExists(t, path.Join(root, "new"))
}

// fakeV1 is a tree of version 1 with all controllers.
func fakeV1(t *testing.T, files map[string]string) *Cgroup {
	t.Helper()
	dir := t.TempDir()
	for file, text := range files {
		require.NoError(t, os.WriteFile(path.Join(dir, file), []byte(text), 0o644))
	}
	return &Cgroup{Mode: V1, Dirs: []Dir{{Name: "all", Version: 1, Controllers: controllersV1, Mount: path.Dir(dir), Path: dir}}}
}
