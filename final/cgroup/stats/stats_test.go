//go:build linux

package stats

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/cgroup"
)

func statsJSON(t *testing.T, c *cgroup.Cgroup) string {
	t.Helper()
	s, err := Read(c)
	require.NoError(t, err)
	text, err := json.Marshal(s)
	require.NoError(t, err)
	return string(text)
}

func TestStatsOfVersion1(t *testing.T) {
	c := fakeV1(t, map[string]string{
		"cpuacct.usage": "1500000000\n", "cpuacct.usage_percpu": "1000000000 500000000 \n", "cpuacct.usage_user": "900\n", "cpuacct.usage_sys": "600\n",
		"cpu.stat":    "nr_periods 7\nnr_throttled 3\nthrottled_time 12345\nwait_sum 1\n",
		"memory.stat": "cache 1\nrss 2\ntotal_cache 4096\ntotal_rss 8192\n", "memory.limit_in_bytes": "9223372036854771712\n",
		"memory.usage_in_bytes": "16384\n", "memory.max_usage_in_bytes": "20480\n", "memory.failcnt": "5\n",
		"memory.memsw.usage_in_bytes": "16385\n", "memory.memsw.limit_in_bytes": "99\n", "memory.kmem.usage_in_bytes": "77\n",
		"memory.kmem.tcp.failcnt": "6\n", "pids.current": "4\n", "pids.max": "max\n",
		"blkio.throttle.io_service_bytes_recursive": "8:0 Read 4096\n8:0 Write 1\n8:0 Total 4097\nTotal 4097\n",
		"blkio.throttle.io_serviced_recursive":      "", "blkio.throttle.io_serviced": "259:3 Discard 2\n", "blkio.bfq.time_recursive": "8:16 55\n",
		"hugetlb.2MB.usage_in_bytes": "2097152\n", "hugetlb.2MB.max_usage_in_bytes": "4194304\n", "hugetlb.2MB.failcnt": "1\n",
		"hugetlb.2MB.rsvd.usage_in_bytes": "1\n",
	})
	assert.JSONEq(t, `{
		"cpu": {
			"usage": {"total": 1500000000, "percpu": [1000000000, 500000000], "kernel": 600, "user": 900},
			"throttling": {"periods": 7, "throttledPeriods": 3, "throttledTime": 12345}
		},
		"memory": {
			"cache": 4096, "usage": {"limit": 9223372036854771712, "usage": 16384, "max": 20480, "failcnt": 5},
			"swap": {"limit": 99, "usage": 16385, "max": 0, "failcnt": 0}, "kernel": {"limit": 0, "usage": 77, "max": 0, "failcnt": 0},
			"kernelTCP": {"limit": 0, "usage": 0, "max": 0, "failcnt": 6}, "raw": {"cache": 1, "rss": 2, "total_cache": 4096, "total_rss": 8192}
		},
		"pids": {"current": 4, "limit": 0},
		"blkio": {
			"ioServiceBytesRecursive": [{"major": 8, "minor": 0, "op": "Read", "value": 4096}, {"major": 8, "minor": 0, "op": "Write", "value": 1},
				{"major": 8, "minor": 0, "op": "Total", "value": 4097}],
			"ioServicedRecursive": [{"major": 259, "minor": 3, "op": "Discard", "value": 2}], "ioTimeRecursive": [{"major": 8, "minor": 16, "value": 55}]
		},
		"hugetlb": {"2MB": {"usage": 2097152, "max": 4194304, "failcnt": 1}}
	}`, statsJSON(t, c))
}

func TestStatsOfVersion2(t *testing.T) {
	files := map[string]string{
		"cpu.stat":    "usage_usec 1500000\nuser_usec 9\nsystem_usec 6\nnr_periods 7\nnr_throttled 3\nthrottled_usec 12\n",
		"memory.stat": "anon 8192\nfile 4096\nkernel 77\n", "memory.max": "32768\n", "memory.current": "16384\n", "memory.peak": "20480\n",
		"memory.events": "low 0\nhigh 0\nmax 5\noom 2\noom_kill 1\n", "memory.swap.current": "100\n", "memory.swap.max": "1000\n",
		"memory.swap.events": "high 0\nmax 0\nfail 8\n", "pids.current": "4\n", "pids.max": "64\n",
		"io.stat":             "8:0 rbytes=4096 wbytes=1 rios=3 wios=2 dbytes=0 dios=0 cost.usage=5\n\n253:0 \n",
		"hugetlb.1GB.current": "1073741824\n", "hugetlb.1GB.events": "max 1\n", "hugetlb.1GB.rsvd.current": "1\n",
	}
	c := fakeV2(t, files)
	entry := func(op, value string) string {
		return `{"major": 8, "minor": 0, "op": "` + op + `", "value": ` + value + `}`
	}
	want := func(usageLimit, swapLimit string) string {
		return `{
			"cpu": {
				"usage": {"total": 1500000000, "kernel": 6000, "user": 9000}, "throttling": {"periods": 7, "throttledPeriods": 3, "throttledTime": 12000}
			},
			"memory": {
				"cache": 4096, "usage": {"limit": ` + usageLimit + `, "usage": 16384, "max": 20480, "failcnt": 5},
				"swap": {"limit": ` + swapLimit + `, "usage": 16484, "max": 0, "failcnt": 8}, "kernel": {"limit": 0, "usage": 77, "max": 0, "failcnt": 0},
				"kernelTCP": {"limit": 0, "usage": 0, "max": 0, "failcnt": 0}, "raw": {"anon": 8192, "file": 4096, "kernel": 77}
			},
			"pids": {"current": 4, "limit": 64},
			"blkio": {
				"ioServiceBytesRecursive": [` + entry("Read", "4096") + `, ` + entry("Write", "1") + `, ` + entry("Discard", "0") + `],
				"ioServicedRecursive": [` + entry("Read", "3") + `, ` + entry("Write", "2") + `, ` + entry("Discard", "0") + `]
			},
			"hugetlb": {"1GB": {"usage": 1073741824, "max": 0, "failcnt": 1}}
		}`
	}
	assert.JSONEq(t, want("32768", "33768"), statsJSON(t, c))
	files = maps.Clone(files)
	files["memory.max"] = "max\n"
	c = fakeV2(t, files)
	assert.JSONEq(t, want("18446744073709551615", "18446744073709551615"), statsJSON(t, c))
}

func TestStatsWithoutControllers(t *testing.T) {
	c := fakeV2(t, nil)
	for _, c := range []*cgroup.Cgroup{c, {Mode: cgroup.V1}, fakeV1(t, nil)} {
		s, err := Read(c)
		require.NoError(t, err)
		assert.Zero(t, s.CPU)
		assert.Zero(t, s.Memory.Usage)
		assert.Zero(t, s.Memory.Swap)
		assert.Zero(t, s.Pids)
	}
}

// What the kernel counts is what has happened.
func TestStatsInTheKernel(t *testing.T) {
	limit, quota := int64(64<<20), int64(4000)
	c := created(t, &specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: &limit, Swap: &limit}, CPU: &specs.LinuxCPU{Quota: &quota}, Pids: &specs.LinuxPids{Limit: new(int64(64))},
	})
	_, state := runIn(t, c, `i=0; while [ $i -lt 8000 ]; do i=$((i+1)); done; head -c 30m /dev/zero | tail -c 30m >/dev/null`)
	require.True(t, state.Success())
	s, err := Read(c)
	require.NoError(t, err)
	total := float64(state.UserTime() + state.SystemTime())
	assert.InEpsilon(t, total, float64(s.CPU.Usage.Total), 0.5)
	// These two are estimates, from what was found at each tick of the clock.
	assert.NotZero(t, s.CPU.Usage.User+s.CPU.Usage.Kernel)
	assert.NotZero(t, s.CPU.Throttling.Periods)
	assert.NotZero(t, s.CPU.Throttling.ThrottledPeriods)
	assert.NotZero(t, s.CPU.Throttling.ThrottledTime)
	assert.EqualValues(t, limit, s.Memory.Usage.Limit)
	assert.Greater(t, s.Memory.Usage.Max, uint64(30<<20))
	assert.Less(t, s.Memory.Usage.Max, uint64(limit)+1)
	assert.NotEmpty(t, s.Memory.Raw)
	assert.Equal(t, Pids{Current: 0, Limit: 64}, s.Pids)

	child, _ := start(t, "exec sleep 1000")
	require.NoError(t, c.Join(child.Process.Pid))
	s, err = Read(c)
	require.NoError(t, err)
	assert.EqualValues(t, 1, s.Pids.Current)
	require.NoError(t, c.Kill(unix.SIGKILL))
}
