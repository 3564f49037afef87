//go:build linux

package cgroup

import (
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// createdV2 is for what only the kernel's own tree of version 2 can show.
func createdV2(t *testing.T, r *specs.LinuxResources) *Cgroup {
	t.Helper()
	if mode, _ := Detect(); mode != V2 {
		t.Skip("needs cgroup v2 on /sys/fs/cgroup, with its controllers")
	}
	return created(t, r)
}

func TestLimitsInTheKernelOfVersion2(t *testing.T) {
	c := createdV2(t, nil)
	for _, size := range []int64{64 << 20, 32 << 20, 128 << 20} {
		require.NoError(t, c.Set(&specs.LinuxResources{
			Memory:  &specs.LinuxMemory{Limit: &size, Swap: &size},
			CPU:     &specs.LinuxCPU{Quota: new(size >> 10), Burst: new(uint64(size >> 11)), Shares: new(uint64(1024)), Cpus: "0"},
			Pids:    &specs.LinuxPids{Limit: new(int64(7))},
			Unified: map[string]string{"memory.high": "max"},
		}))
		assert.Equal(t, strconv.FormatInt(size, 10), content(t, c, "memory", "memory.max"))
		assert.Equal(t, strconv.FormatInt(size>>10, 10)+" 100000", content(t, c, "cpu", "cpu.max"))
		assert.Equal(t, strconv.FormatInt(size>>11, 10), content(t, c, "cpu", "cpu.max.burst"))
	}
	assert.Equal(t, "100", content(t, c, "cpu", "cpu.weight"))
	assert.Equal(t, "0", content(t, c, "cpuset", "cpuset.cpus"))
	require.NoError(t, c.Set(&specs.LinuxResources{CPU: &specs.LinuxCPU{Period: new(uint64(200000))}}))
	assert.Equal(t, "131072 200000", content(t, c, "cpu", "cpu.max"))
}

func TestNoControllersBelowProcesses(t *testing.T) {
	c := createdV2(t, nil)
	child := start(t, "exec sleep 1000")
	require.NoError(t, c.Join(child.Process.Pid))
	// The kernel would take pids alone. See enableBelow.
	r := &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(7))}}
	below, err := New("/"+path.Base(c.Dirs[0].Path)+"/below", r)
	require.NoError(t, err)
	err = below.Make()
	assert.ErrorIs(t, err, unix.EBUSY)
	assert.ErrorContains(t, err, "enable +pids below "+c.Dirs[0].Path)
	assert.ErrorContains(t, err, "move the processes to a child")
	assert.NoDirExists(t, below.Dirs[0].Path)
	assert.Equal(t, "domain", content(t, c, "pids", "cgroup.type"))

	// Nothing is needed, so nothing is missing.
	below, err = New("/"+path.Base(c.Dirs[0].Path)+"/below", nil)
	require.NoError(t, err)
	require.NoError(t, below.Make())
	require.NoError(t, below.Remove())
	require.NoError(t, c.Kill(unix.SIGKILL))
}

// As systemd does in a container, which other processes then join.
func TestJoinOfACgroupThatHasMovedItsProcesses(t *testing.T) {
	c := createdV2(t, nil)
	dir := c.Dirs[0].Path
	for _, name := range []string{"empty", "init.scope"} {
		require.NoError(t, os.Mkdir(path.Join(dir, name), 0o755))
	}
	require.NoError(t, writeFile(path.Join(dir, "cgroup.subtree_control"), "+memory"))
	first, second := start(t, "exec sleep 1000"), start(t, "exec sleep 1000")
	err := c.Join(second.Process.Pid)
	assert.ErrorIs(t, err, unix.EBUSY)
	assert.ErrorContains(t, err, "gives controllers to its children")
	require.NoError(t, writeFile(path.Join(dir, "init.scope", "cgroup.procs"), strconv.Itoa(first.Process.Pid)))
	exact, err := c.Below([]string{"/"})
	require.NoError(t, err)
	assert.ErrorIs(t, exact.JoinRest(second.Process.Pid), unix.EBUSY, "who asks for a place gets that or none")
	require.NoError(t, c.Join(second.Process.Pid))
	pids, err := readProcs(path.Join(dir, "init.scope"))
	require.NoError(t, err)
	assert.ElementsMatch(t, []int{first.Process.Pid, second.Process.Pid}, pids)
	require.NoError(t, c.Kill(unix.SIGKILL))
}

// Where there is swap, a limit of memory alone is none: what is too much goes there.
func TestSwapIsNoWayAroundTheLimitOfVersion2(t *testing.T) {
	info, err := os.ReadFile("/proc/meminfo")
	require.NoError(t, err)
	if !regexp.MustCompile(`\nSwapFree: +[0-9]{6,} kB\n`).Match(info) {
		t.Skip("needs 100 MB of swap")
	}
	// It keeps 60 MiB.
	hog := "head -c 60m /dev/zero | tail -c 60m | wc -c"
	for swap, survives := range map[int64]bool{32 << 20: false, 128 << 20: true} {
		c := createdV2(t, &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: new(int64(32 << 20)), Swap: &swap}})
		output, _ := runIn(t, c, hog)
		killed, _, err := c.OOMKills()
		require.NoError(t, err)
		assert.Equal(t, survives, strings.TrimSpace(output) == strconv.Itoa(60<<20), "%d: %s", swap, output)
		assert.Equal(t, survives, killed == 0)
	}
}
