//go:build linux && engines

package engine

import (
	"errors"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"
)

func TestDockerLimits(t *testing.T) {
	withDocker(t, []dockerTest{
		{"memory", dockerMemory},
		{"out of memory", dockerOutOfMemory},
		{"number of processes", dockerPids},
		{"processor time", dockerCPU},
		{"update", dockerUpdate},
		{"stats", dockerStats},
		{"parent of the cgroup", dockerCgroupParent},
		{"namespace of cgroups", dockerCgroupNamespace},
	})
}

// limit reads a file of a container's cgroup: in version 1 the file of a controller, otherwise the file of version 2.
func (d *docker) limit(t *testing.T, id, controller, name, nameOf2 string) string {
	t.Helper()
	return read(t, cgroupFile(t, d.pid(t, id), controller, name, nameOf2))
}

func dockerMemory(t *testing.T, d *docker) {
	id := d.detached(t, "--memory", "64m", "--memory-swap", "64m", "small", "sleep", "1000")
	assert.Equal(t, "67108864", d.limit(t, id, "memory", "memory.limit_in_bytes", "memory.max"))
	// A container sees its own cgroup.
	script := "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max"
	assert.Equal(t, "67108864", d.exec(t, id, "sh", "-c", script))
	r := d.try(t, "exec", id, "sh", "-c", "mkdir $(ls -d /sys/fs/cgroup/memory || echo /sys/fs/cgroup)/new")
	assert.Contains(t, r.stderr, "Read-only file system")
}

func dockerOutOfMemory(t *testing.T, d *docker) {
	id := d.detached(t, "--memory", "32m", "--memory-swap", "32m", "small", "sh", "-c", greedy)
	release(t, d.pid(t, id))
	d.becomes(t, id, "{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}}", "exited 137 true")
	assert.Equal(t, "0 false", d.inspect(t, d.detached(t, "small", "sleep", "1000"), "{{.State.ExitCode}} {{.State.OOMKilled}}"))
}

func dockerPids(t *testing.T, d *docker) {
	id := d.detached(t, "--pids-limit", "8", "small", "sleep", "1000")
	assert.Equal(t, "8", d.limit(t, id, "pids", "pids.max", "pids.max"))
	r := d.try(t, "exec", id, "sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do sleep 0.1 & done; wait")
	assert.NotEqual(t, 0, r.status)
	assert.Contains(t, r.stderr, "can't fork: Resource temporarily unavailable")
}

func dockerCPU(t *testing.T, d *docker) {
	id := d.detached(t, "--cpus", "0.1", "--cpu-shares", "512", "--cpuset-cpus", "0", "small", "sh", "-c", "while :; do :; done")
	if version1("cpu") {
		assert.Equal(t, "10000", d.limit(t, id, "cpu", "cpu.cfs_quota_us", ""))
		assert.Equal(t, "100000", d.limit(t, id, "cpu", "cpu.cfs_period_us", ""))
		assert.Equal(t, "512", d.limit(t, id, "cpu", "cpu.shares", ""))
	} else {
		assert.Equal(t, "10000 100000", d.limit(t, id, "cpu", "", "cpu.max"))
	}
	assert.Equal(t, "0", statusField(t, d.pid(t, id), "Cpus_allowed_list"))
	throttled := regexp.MustCompile(`nr_throttled [1-9]`)
	until(t, "it is throttled", func() bool { return throttled.MatchString(d.limit(t, id, "cpu", "cpu.stat", "cpu.stat")) },
		func() string { return d.limit(t, id, "cpu", "cpu.stat", "cpu.stat") })
}

func dockerUpdate(t *testing.T, d *docker) {
	id := d.detached(t, "--memory", "128m", "--memory-swap", "128m", "small", "sh", "-c", "while :; do sleep 0.01; done")
	pid := d.pid(t, id)
	d.ok(t, "update", "--memory", "32m", "--memory-swap", "32m", "--cpus", "0.5", "--pids-limit", "50", id)
	assert.Equal(t, "33554432", d.limit(t, id, "memory", "memory.limit_in_bytes", "memory.max"))
	assert.Equal(t, "50", d.limit(t, id, "pids", "pids.max", "pids.max"))
	if version1("cpu") {
		assert.Equal(t, "50000", d.limit(t, id, "cpu", "cpu.cfs_quota_us", ""))
	} else {
		assert.Equal(t, "50000 100000", d.limit(t, id, "cpu", "", "cpu.max"))
	}
	assert.Equal(t, pid, d.pid(t, id), "it goes on")
	d.ok(t, "update", "--memory", "64m", "--memory-swap", "64m", id)
	assert.Equal(t, "67108864", d.limit(t, id, "memory", "memory.limit_in_bytes", "memory.max"))
	assert.Equal(t, "50", d.limit(t, id, "pids", "pids.max", "pids.max"), "what is not named stays")
	assert.Equal(t, 137, d.try(t, "exec", id, "dd", "if=/dev/zero", "of=/dev/null", "bs=100M", "count=1").status)
}

func dockerStats(t *testing.T, d *docker) {
	id := d.detached(t, "--memory", "64m", "small", "sh", "-c", "sleep 1000 & sleep 1000 & sleep 1000")
	var top string
	until(t, "all are there", func() bool {
		top = d.ok(t, "top", id)
		return strings.Count(top, "sleep 1000") == 3
	}, func() string { return top })
	stats := d.ok(t, "stats", "--no-stream", "--format", "{{.PIDs}} {{.MemUsage}}", id)
	assert.Regexp(t, `^3 [1-9][0-9.]*[KM]iB / 64MiB$`, stats)
}

func dockerCgroupParent(t *testing.T, d *docker) {
	id := d.detached(t, "--cgroup-parent", "/parent/of/it", "small", "sleep", "1000")
	cgroup := filepath.Dir(cgroupFile(t, d.pid(t, id), "pids", "pids.max", "pids.max"))
	assert.True(t, strings.HasSuffix(cgroup, "/parent/of/it/"+id), cgroup)
	d.ok(t, "rm", "--force", id)
	assert.NoDirExists(t, cgroup)
	for _, dir := range below(cgroupTop) {
		if strings.HasSuffix(dir, "/parent/of/it") {
			assert.NoError(t, errors.Join(unix.Rmdir(dir), unix.Rmdir(filepath.Dir(dir)), unix.Rmdir(filepath.Dir(filepath.Dir(dir)))))
		}
	}
}

func dockerCgroupNamespace(t *testing.T, d *docker) {
	host := ok(t, "readlink", "/proc/self/ns/cgroup")
	id := d.detached(t, "--cgroupns", "private", "small", "sleep", "1000")
	assert.NotEqual(t, host, d.exec(t, id, "readlink", "/proc/self/ns/cgroup"))
	for line := range strings.Lines(d.exec(t, id, "cat", "/proc/1/cgroup")) {
		assert.True(t, strings.HasSuffix(strings.TrimSpace(line), ":/"), line)
	}
	assert.Equal(t, host, d.prints(t, "--cgroupns", "host", "small", "readlink", "/proc/self/ns/cgroup"))
}
