//go:build linux && engines

package engine

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// limit reads a file of the container's cgroup.
func (c *containerd) limit(id, controller, name, nameOf2 string) string {
	c.Helper()
	pid, status := c.task(id)
	require.NotEmpty(c, status, "there is no task "+id)
	return read(c, cgroupFile(c, pid, controller, name, nameOf2))
}

// events collects containerd's events from now on.
func (c *containerd) events() *daemon {
	c.Helper()
	d := background(c, c.client("events"), func() bool { return true })
	until(c, "events are noted", func() bool {
		c.ctr("namespace", "label", "test", "probe=1")
		return strings.Contains(d.log(), "/namespaces/update")
	}, d.log)
	return d
}

func TestContainerdMemoryLimit(t *testing.T) {
	c := newContainerd(t)
	events := c.events()
	noted := func(id string) {
		t.Helper()
		event := `/tasks/oom {"container_id":"` + id + `"}`
		until(t, "the event is there", func() bool { return strings.Contains(events.log(), event) }, events.log)
	}
	id := c.detached(greedy, "--memory-limit", "33554432")
	pid, _ := c.task(id)
	release(t, pid)
	noted(id)
	c.becomes(id, "STOPPED")
	c.deleted(id, 137)

	id = c.detached("sleep 1000", "--memory-limit", "33554432")
	require.Equal(t, "33554432", c.limit(id, "memory", "memory.limit_in_bytes", "memory.max"))
	// If another process in the container runs out of memory, there is an event, too, and the container goes on.
	require.Equal(t, 137, c.exec(id, "x=a; while :; do x=$x$x; done").status)
	noted(id)
	_, status := c.task(id)
	require.Equal(t, "RUNNING", status)
}

func TestContainerdCPULimits(t *testing.T) {
	c := newContainerd(t)
	half := c.detached("sleep 1000", "--cpus", "0.5")
	fifth := c.detached("sleep 1000", "--cpu-quota", "10000", "--cpu-period", "50000", "--cpu-shares", "512")
	if !version1("cpu") {
		require.Equal(t, "50000 100000", c.limit(half, "cpu", "", "cpu.max"))
		require.Equal(t, "10000 50000", c.limit(fifth, "cpu", "", "cpu.max"))
		return
	}
	require.Equal(t, "50000", c.limit(half, "cpu", "cpu.cfs_quota_us", ""))
	require.Equal(t, "100000", c.limit(half, "cpu", "cpu.cfs_period_us", ""))
	require.Equal(t, "10000", c.limit(fifth, "cpu", "cpu.cfs_quota_us", ""))
	require.Equal(t, "50000", c.limit(fifth, "cpu", "cpu.cfs_period_us", ""))
	require.Equal(t, "512", c.limit(fifth, "cpu", "cpu.shares", ""))
}

func TestContainerdCgroupPath(t *testing.T) {
	c := newContainerd(t)
	for _, path := range []string{"/absolute/of-containerd", "test.slice:cri-containerd:id"} {
		id := c.detached("sleep 1000", "--cgroup", path, "--memory-limit", "33554432")
		pid, _ := c.task(id)
		require.Contains(t, cgroupFile(t, pid, "memory", "x", "x"), path+"/x")
		require.Equal(t, "33554432", c.limit(id, "memory", "memory.limit_in_bytes", "memory.max"))
		c.remove(id)
		for _, dir := range below(cgroupTop) {
			require.NotContains(t, dir, path)
		}
	}
	// The caller must remove the parent.
	for _, dir := range below(cgroupTop) {
		if strings.HasSuffix(dir, "/absolute") {
			require.NoError(t, os.Remove(dir))
		}
	}
}

func TestContainerdPause(t *testing.T) {
	c := newContainerd(t)
	id, out := c.started(": >/out/ready; while :; do echo >>/out/ready; done")
	size := func() int64 {
		status, err := os.Stat(out + "/ready")
		require.NoError(t, err)
		return status.Size()
	}
	c.ctr("task", "pause", id)
	_, status := c.task(id)
	require.Equal(t, "PAUSED", status)
	if version1("freezer") {
		require.Equal(t, "FROZEN", c.limit(id, "freezer", "freezer.state", ""))
	}
	before := size()
	r := c.exec(id, "true")
	require.NotEqual(t, 0, r.status)
	require.Contains(t, r.stderr, "cannot exec in a paused state")
	require.Equal(t, before, size())
	c.ctr("task", "resume", id)
	_, status = c.task(id)
	require.Equal(t, "RUNNING", status)
	until(t, "the container goes on", func() bool { return size() > before }, c.log)
	require.Equal(t, 3, c.exec(id, "exit 3").status)
}

func TestContainerdKillWhilePaused(t *testing.T) {
	c := newContainerd(t)
	id := c.detached("sleep 1000")
	c.ctr("task", "pause", id)
	c.ctr("task", "kill", "--signal", "KILL", id)
	c.becomes(id, "STOPPED")
}

func TestContainerdMetrics(t *testing.T) {
	c := newContainerd(t)
	id, _ := c.started("sleep 1000 & : >/out/ready; wait", "--memory-limit", "67108864")
	var all struct {
		Pids   struct{ Current int }
		Memory struct {
			// In version 2 these values are numbers.
			Usage      json.RawMessage
			UsageLimit int `json:"usage_limit"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(c.ctr("task", "metrics", "--format", "json", id)), &all))
	require.Equal(t, 2, all.Pids.Current)
	var usage struct{ Limit, Usage int }
	if version1("memory") {
		require.NoError(t, json.Unmarshal(all.Memory.Usage, &usage))
	} else {
		require.NoError(t, json.Unmarshal(all.Memory.Usage, &usage.Usage))
		usage.Limit = all.Memory.UsageLimit
	}
	require.Equal(t, 67108864, usage.Limit)
	require.Positive(t, usage.Usage)
}

// update changes the limits of a container. ctr has no command for that.
func (c *containerd) update(id, resources string) error {
	c.Helper()
	_, err := grpcCall(c, c.socket, "test", "containerd.services.tasks.v1.Tasks/Update", protoMessage{
		{1, id},
		{2, protoMessage{{1, "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources"}, {2, resources}}},
	})
	return err
}

func TestContainerdUpdate(t *testing.T) {
	c := newContainerd(t)
	id := c.detached("sleep 1000", "--memory-limit", "67108864", "--cpu-shares", "2048")
	resources := `{"memory": {"limit": 134217728}, "cpu": {"quota": 20000, "period": 100000}, "pids": {"limit": 50}}`
	require.NoError(t, c.update(id, resources))
	require.Equal(t, "134217728", c.limit(id, "memory", "memory.limit_in_bytes", "memory.max"))
	require.Equal(t, "50", c.limit(id, "pids", "pids.max", "pids.max"))
	if version1("cpu") {
		require.Equal(t, "20000", c.limit(id, "cpu", "cpu.cfs_quota_us", ""))
		// A limit that is not named stays as it is.
		require.Equal(t, "2048", c.limit(id, "cpu", "cpu.shares", ""))
	} else {
		require.Equal(t, "20000 100000", c.limit(id, "cpu", "", "cpu.max"))
	}
	// The kernel refuses less than a millisecond.
	require.ErrorContains(t, c.update(id, `{"cpu": {"quota": 1}}`), "did not terminate successfully: exit status 1")
}
