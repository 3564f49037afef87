//go:build linux

package cgroup

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/cgroup/systemd"
)

func TestNoSystemd(t *testing.T) {
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		_, err := NewSystemd("", "web1", nil)
		assert.EqualError(t, err, "systemd is not running, because /run/systemd/system is not a directory: leave out --systemd-cgroup")
	}
}

// texts shows properties as name=value.
func texts(properties []systemd.Property) []string {
	var lines []string
	for _, p := range properties {
		lines = append(lines, fmt.Sprintf("%s=%v", p.Name, p.Value.Value()))
	}
	return lines
}

func TestUnitLimits(t *testing.T) {
	v1, v2 := &Cgroup{Mode: V1, Dirs: allV1}, &Cgroup{Mode: V2, Dirs: allV2}
	of := func(c *Cgroup, r *specs.LinuxResources) []string {
		settings, err := c.plan(r)
		require.NoError(t, err)
		return texts(c.properties(settings))
	}
	r := everything()
	quota := []string{"CPUQuotaPerSecUSec=400000", "CPUQuotaPeriodUSec=50000"}
	want := []string{"MemoryLimit=67108864", "CPUShares=1024", "TasksMax=64", "BlockIOWeight=10"}
	assert.Equal(t, append(want, quota...), of(v1, r))
	r.Unified = map[string]string{"memory.high": "1000", "memory.oom.group": "1"}
	want = []string{"MemoryMax=67108864", "MemorySwapMax=67108864", "MemoryLow=33554432", "CPUWeight=100", "AllowedCPUs=[3]",
		"AllowedMemoryNodes=[1]", "TasksMax=64", "IOWeight=1", "MemoryHigh=1000"}
	assert.Equal(t, append(want, quota...), of(v2, r))

	const none = "18446744073709551615"
	unlimited := &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: new(int64(-1))}, Pids: &specs.LinuxPids{Limit: new(int64(-1))}}
	assert.Equal(t, []string{"MemoryMax=" + none, "MemorySwapMax=" + none, "TasksMax=" + none}, of(v2, unlimited))
	for quota, want := range map[int64]string{-1: none, 12345: "130000", 250000: "2500000"} {
		cpu := &specs.LinuxResources{CPU: &specs.LinuxCPU{Quota: &quota}}
		assert.Equal(t, []string{"CPUQuotaPerSecUSec=" + want, "CPUQuotaPeriodUSec=100000"}, of(v1, cpu))
		assert.Equal(t, []string{"CPUQuotaPerSecUSec=" + want, "CPUQuotaPeriodUSec=100000"}, of(v2, cpu))
	}
	assert.Empty(t, of(v2, &specs.LinuxResources{}))
}

func needSystemd(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/run/systemd/system"); err != nil || os.Getuid() != 0 {
		t.Skip("needs root, and systemd as process 1")
	}
}

// scopeOf returns a scope that is not started yet. It goes with the test.
func scopeOf(t *testing.T, slice string, r *specs.LinuxResources) *Cgroup {
	t.Helper()
	needSystemd(t)
	c, err := NewSystemd(fmt.Sprintf("%s:test:%d-%d", slice, os.Getpid(), made.Add(1)), "web1", r)
	require.NoError(t, err)
	require.NoError(t, c.Make())
	t.Cleanup(func() { require.NoError(t, c.Remove()) })
	return c
}

// show asks systemd for a property of the unit.
func show(t *testing.T, c *Cgroup, property string) string {
	t.Helper()
	output, err := exec.Command("systemctl", "show", "--value", "-p", property, c.Unit).CombinedOutput()
	require.NoError(t, err, "%s", output)
	return strings.TrimSpace(string(output))
}

func limits() *specs.LinuxResources {
	return &specs.LinuxResources{
		Memory:  &specs.LinuxMemory{Limit: new(int64(64 << 20))},
		CPU:     &specs.LinuxCPU{Shares: new(uint64(512)), Quota: new(int64(12500)), Period: new(uint64(50000)), Cpus: "0"},
		Pids:    &specs.LinuxPids{Limit: new(int64(40))},
		Devices: denyAllBut(char(1, 3)),
	}
}

// checkLimits compares what the kernel has with limits.
func checkLimits(t *testing.T, c *Cgroup, when string) {
	t.Helper()
	assert.Equal(t, "40", content(t, c, "pids", "pids.max"), when)
	assert.Equal(t, "0", content(t, c, "cpuset", "cpuset.cpus"), when)
	if c.DirOf("memory").Version == 1 {
		assert.Equal(t, "67108864", content(t, c, "memory", "memory.limit_in_bytes"), when)
		assert.Equal(t, "12500", content(t, c, "cpu", "cpu.cfs_quota_us"), when)
		assert.Equal(t, "50000", content(t, c, "cpu", "cpu.cfs_period_us"), when)
		assert.Equal(t, "512", content(t, c, "cpu", "cpu.shares"), when)
		return
	}
	assert.Equal(t, "67108864", content(t, c, "memory", "memory.max"), when)
	assert.Equal(t, "12500 50000", content(t, c, "cpu", "cpu.max"), when)
	assert.Equal(t, "59", content(t, c, "cpu", "cpu.weight"), when)
}

func TestLifeOfAScope(t *testing.T) {
	needSystemd(t)
	r := limits()
	for name, set := range map[string][2]*specs.LinuxResources{
		"limits before the process": {r, nil}, "and after": {nil, r}, "both": {r, r},
	} {
		t.Run(name, func(t *testing.T) {
			c := scopeOf(t, "test-deeper.slice", r)
			require.NoError(t, c.Set(set[0]))
			assert.Empty(t, c.Tasks())
			assert.True(t, c.NeedsJoin())
			child := start(t, "exec sleep 1000")
			require.NoError(t, c.Join(child.Process.Pid))
			require.NoError(t, c.Set(set[1]))

			lines, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", child.Process.Pid))
			require.NoError(t, err)
			for _, d := range c.Dirs {
				own, ok := ownCgroup(string(lines), tree{version: d.Version, controllers: d.Controllers, label: "name=" + d.Name})
				assert.True(t, ok, d.Name)
				assert.Equal(t, "/test.slice/test-deeper.slice/"+c.Unit, strings.TrimSuffix(own, "/container"), d.Name)
			}
			assert.Equal(t, "active", show(t, c, "ActiveState"))
			assert.Equal(t, "test-deeper.slice", show(t, c, "Slice"))
			assert.Equal(t, "container web1", show(t, c, "Description"))
			assert.Equal(t, "40", show(t, c, "TasksMax"))
			assert.Equal(t, "250ms", show(t, c, "CPUQuotaPerSecUSec"))
			checkLimits(t, c, "at first")
			output, _ := runIn(t, c, openable)
			assert.Equal(t, "null writable", output)

			// A later process knows it from the state file.
			text, err := json.Marshal(c)
			require.NoError(t, err)
			var later Cgroup
			require.NoError(t, json.Unmarshal(text, &later))
			require.NoError(t, later.Freeze(true))
			require.NoError(t, later.Set(&specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(41))}}))
			assert.Equal(t, "41", show(t, c, "TasksMax"))
			assert.Equal(t, "41", content(t, c, "pids", "pids.max"))
			require.NoError(t, later.Set(&specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(40))}}))
			checkLimits(t, c, "at last")
			require.NoError(t, later.Kill(unix.SIGKILL))
			require.NoError(t, later.Remove())
			require.NoError(t, later.Remove())
			for _, d := range c.Dirs {
				assert.NoDirExists(t, d.Path)
			}
			assert.Equal(t, "not-found", show(t, c, "LoadState"))
		})
	}
}

func TestScopeSurvivesAReloadOfSystemd(t *testing.T) {
	r := limits()
	c := scopeOf(t, "", r)
	child := start(t, "exec sleep 1000")
	require.NoError(t, c.Set(r))
	require.NoError(t, c.Join(child.Process.Pid))
	set := "set-property --runtime " + c.Unit + " TasksMax="
	for _, arguments := range []string{"daemon-reload", set + "39", "daemon-reexec", set + "40"} {
		output, err := exec.Command("systemctl", strings.Fields(arguments)...).CombinedOutput()
		require.NoError(t, err, "%s", output)
		opened, _ := runIn(t, c, openable)
		assert.Equal(t, "null writable", opened, arguments)
	}
	checkLimits(t, c, "in the end")
	require.NoError(t, c.Kill(unix.SIGKILL))
}

func TestScopeOfAProcessThatHasEnded(t *testing.T) {
	c := scopeOf(t, "", nil)
	child := start(t, "exit 0")
	child.begin()
	child.Wait()
	err := c.Join(child.Process.Pid)
	assert.ErrorIs(t, err, unix.ESRCH)
	assert.ErrorContains(t, err, "start the systemd unit "+c.Unit)
	assert.NotContains(t, err.Error(), "\n")
}

func TestTwoScopesOfOneName(t *testing.T) {
	c := scopeOf(t, "", nil)
	first, second := start(t, "exec sleep 1000"), start(t, "exec sleep 1000")
	require.NoError(t, c.Join(first.Process.Pid))
	again, err := NewSystemd(":test:"+strings.TrimSuffix(strings.TrimPrefix(c.Unit, "test-"), ".scope"), "web1", nil)
	require.NoError(t, err)
	err = again.Join(second.Process.Pid)
	assert.ErrorContains(t, err, c.Unit)
	assert.ErrorContains(t, err, "already")
	require.NoError(t, c.Kill(unix.SIGKILL))
	require.NoError(t, c.Remove())
	// The name is free again.
	require.NoError(t, again.Join(second.Process.Pid))
	require.NoError(t, again.Kill(unix.SIGKILL))
	require.NoError(t, again.Remove())
}
