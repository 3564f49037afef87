//go:build linux

package cgroup

import (
	"os"
	"path"
	"strconv"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// everything has a value in every field that one of the versions knows.
func everything() *specs.LinuxResources {
	disk := specs.LinuxBlockIODevice{Major: 8, Minor: 16}
	rate := []specs.LinuxThrottleDevice{{LinuxBlockIODevice: disk, Rate: 1000}, {LinuxBlockIODevice: specs.LinuxBlockIODevice{Major: 9}, Rate: 0}}
	return &specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: new(int64(1 << 26)), Swap: new(int64(1 << 27)), Reservation: new(int64(1 << 25))},
		CPU: &specs.LinuxCPU{Shares: new(uint64(1024)), Idle: new(int64(0)), Period: new(uint64(50000)), Quota: new(int64(20000)), Burst: new(uint64(0)),
			Cpus: "0-1", Mems: "0"},
		Pids: &specs.LinuxPids{Limit: new(int64(64))},
		BlockIO: &specs.LinuxBlockIO{Weight: new(uint16(10)), WeightDevice: []specs.LinuxWeightDevice{{LinuxBlockIODevice: disk, Weight: new(uint16(1000))}},
			ThrottleReadBpsDevice: rate, ThrottleWriteBpsDevice: rate, ThrottleReadIOPSDevice: rate, ThrottleWriteIOPSDevice: rate},
		HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: "2MB", Limit: 1 << 22}},
		Rdma:           map[string]specs.LinuxRdma{"mlx5_1": {HcaHandles: new(uint32(3)), HcaObjects: new(uint32(10))}, "mlx4_0": {HcaObjects: new(uint32(1))}},
	}
}

// onlyV1 has a value in every field that version 2 knows not.
func onlyV1(r *specs.LinuxResources) {
	r.Memory.KernelTCP, r.Memory.Swappiness = new(int64(4096)), new(uint64(10))
	r.Memory.DisableOOMKiller, r.Memory.UseHierarchy = new(true), new(true)
	r.CPU.RealtimePeriod, r.CPU.RealtimeRuntime = new(uint64(1000000)), new(int64(950000))
	r.BlockIO.LeafWeight, r.BlockIO.WeightDevice[0].LeafWeight = new(uint16(300)), new(uint16(500))
	r.Network = &specs.LinuxNetwork{ClassID: new(uint32(1048577)), Priorities: []specs.LinuxInterfacePriority{{Name: "eth0", Priority: 5}}}
}

var allV1 = []Dir{{Name: "all", Version: 1, Controllers: controllersV1, Mount: "/c", Path: "/c/x"}}
var allV2 = []Dir{{Version: 2, Mount: "/c", Path: "/c/x"}}

// lines shows settings as "file: value", with the second choice behind.
func lines(settings []setting) []string {
	var lines []string
	for _, s := range settings {
		line := s.file + ": " + s.value
		if s.instead != nil {
			line += ", else " + s.instead.file + ": " + s.instead.value
		}
		if s.optional {
			line += "?"
		}
		lines = append(lines, line)
	}
	return lines
}

func TestTableOfVersion1(t *testing.T) {
	r := everything()
	onlyV1(r)
	settings, err := (&Cgroup{Mode: V1, Dirs: allV1}).plan(r)
	require.NoError(t, err)
	assert.Equal(t, []string{
		"memory.limit_in_bytes: 67108864", "memory.memsw.limit_in_bytes: 134217728", "memory.soft_limit_in_bytes: 33554432",
		"memory.kmem.tcp.limit_in_bytes: 4096", "memory.swappiness: 10", "memory.oom_control: 1", "memory.use_hierarchy: 1",
		"cpu.shares: 1024", "cpu.idle: 0", "cpu.cfs_period_us: 50000", "cpu.cfs_quota_us: 20000", "cpu.cfs_burst_us: 0",
		"cpu.rt_period_us: 1000000", "cpu.rt_runtime_us: 950000", "cpuset.cpus: 0-1", "cpuset.mems: 0", "pids.max: 64",
		"blkio.bfq.weight: 10, else blkio.weight: 10", "blkio.leaf_weight: 300",
		"blkio.bfq.weight_device: 8:16 1000, else blkio.weight_device: 8:16 1000", "blkio.leaf_weight_device: 8:16 500",
		"blkio.throttle.read_bps_device: 8:16 1000", "blkio.throttle.read_bps_device: 9:0 0",
		"blkio.throttle.write_bps_device: 8:16 1000", "blkio.throttle.write_bps_device: 9:0 0",
		"blkio.throttle.read_iops_device: 8:16 1000", "blkio.throttle.read_iops_device: 9:0 0",
		"blkio.throttle.write_iops_device: 8:16 1000", "blkio.throttle.write_iops_device: 9:0 0",
		"net_cls.classid: 1048577", "net_prio.ifpriomap: eth0 5",
		"rdma.max: mlx4_0 hca_object=1", "rdma.max: mlx5_1 hca_handle=3 hca_object=10",
		"hugetlb.2MB.limit_in_bytes: 4194304", "hugetlb.2MB.rsvd.limit_in_bytes: 4194304?",
	}, lines(settings))
}

func TestTableOfVersion2(t *testing.T) {
	r := everything()
	r.Unified = map[string]string{"memory.high": "1000", "io.max": "8:0 rbps=1\n8:16 wiops=2\n", "cgroup.max.depth": "3"}
	settings, err := (&Cgroup{Mode: V2, Dirs: allV2}).plan(r)
	require.NoError(t, err)
	assert.Equal(t, []string{
		"memory.max: 67108864", "memory.swap.max: 67108864", "memory.low: 33554432",
		"cpu.weight: 100", "cpu.idle: 0", "cpu.max: 20000 50000", "cpu.max.burst: 0", "cpuset.cpus: 0-1", "cpuset.mems: 0", "pids.max: 64",
		"io.bfq.weight: 10, else io.weight: default 1", "io.bfq.weight: 8:16 1000, else io.weight: 8:16 10000",
		"io.max: 8:16 rbps=1000", "io.max: 9:0 rbps=max", "io.max: 8:16 wbps=1000", "io.max: 9:0 wbps=max",
		"io.max: 8:16 riops=1000", "io.max: 9:0 riops=max", "io.max: 8:16 wiops=1000", "io.max: 9:0 wiops=max",
		"rdma.max: mlx4_0 hca_object=1", "rdma.max: mlx5_1 hca_handle=3 hca_object=10",
		"hugetlb.2MB.max: 4194304", "hugetlb.2MB.rsvd.max: 4194304?",
		"cgroup.max.depth: 3", "io.max: 8:0 rbps=1", "io.max: 8:16 wiops=2", "memory.high: 1000",
	}, lines(settings))
	assert.Equal(t, []string{"memory", "cpu", "cpuset", "pids", "io", "rdma", "hugetlb"}, controllersOf(settings))
}

func TestHybridUsesEachTreeForItsControllers(t *testing.T) {
	c := &Cgroup{Mode: Hybrid, Dirs: []Dir{
		{Name: "memory", Version: 1, Controllers: []string{"memory"}, Mount: "/m", Path: "/m/x"},
		{Name: "blkio", Version: 1, Controllers: []string{"blkio"}, Mount: "/b", Path: "/b/x"},
		{Name: "unified", Version: 2, Mount: "/u", Path: "/u/x"},
	}}
	settings, err := c.plan(everything())
	require.NoError(t, err)
	where := map[string]string{}
	for _, s := range settings {
		where[s.file] = s.dir.Name
	}
	assert.Equal(t, "memory", where["memory.limit_in_bytes"])
	assert.Equal(t, "blkio", where["blkio.bfq.weight"])
	assert.Equal(t, "unified", where["pids.max"])
	assert.Equal(t, "unified", where["hugetlb.2MB.max"])
	assert.NotContains(t, where, "memory.max")
	assert.NotContains(t, where, "io.max")
}

func TestUnlimitedAndUnset(t *testing.T) {
	unlimited := &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: new(int64(-1))}, Pids: &specs.LinuxPids{Limit: new(int64(-1))},
		CPU: &specs.LinuxCPU{Quota: new(int64(-1))}}
	settings, err := (&Cgroup{Mode: V1, Dirs: allV1}).plan(unlimited)
	require.NoError(t, err)
	assert.Equal(t, []string{"memory.limit_in_bytes: -1", "memory.memsw.limit_in_bytes: -1?", "memory.kmem.tcp.limit_in_bytes: -1?", "cpu.cfs_quota_us: -1", "pids.max: max"}, lines(settings))
	settings, err = (&Cgroup{Mode: V2, Dirs: allV2}).plan(unlimited)
	require.NoError(t, err)
	assert.Equal(t, []string{"memory.max: max", "memory.swap.max: max?", "cpu.max: max", "pids.max: max"}, lines(settings))

	// Zero is a limit for pids, where it is the same as one, and nothing elsewhere.
	zero := &specs.LinuxResources{
		Memory:  &specs.LinuxMemory{Limit: new(int64(0)), Swap: new(int64(0)), Reservation: new(int64(0)), KernelTCP: new(int64(0))},
		CPU:     &specs.LinuxCPU{Shares: new(uint64(0)), Quota: new(int64(0)), Period: new(uint64(0)), RealtimePeriod: new(uint64(0)), RealtimeRuntime: new(int64(0))},
		Pids:    &specs.LinuxPids{Limit: new(int64(0))},
		BlockIO: &specs.LinuxBlockIO{Weight: new(uint16(0)), LeafWeight: new(uint16(0))},
		Network: &specs.LinuxNetwork{},
	}
	for _, c := range []*Cgroup{{Mode: V1, Dirs: allV1}, {Mode: V2, Dirs: allV2}} {
		settings, err = c.plan(zero)
		require.NoError(t, err)
		assert.Equal(t, []string{"pids.max: 1"}, lines(settings))
	}
}

func TestSwap(t *testing.T) {
	for _, test := range []struct {
		limit, swap int64
		v2, err     string
	}{
		{100, 0, "", ""}, {100, 100, "memory.swap.max: 0?", ""}, {100, 150, "memory.swap.max: 50", ""}, {100, -1, "memory.swap.max: max?", ""},
		{100, 99, "", "linux.resources.memory.swap: 99: must be at least memory.limit, 100, because it counts memory and swap together"},
		{-1, 100, "", "linux.resources.memory.swap: 100: needs a memory.limit, because it counts memory and swap together"},
		{0, 100, "", "linux.resources.memory.swap: needs linux.resources.memory.limit on cgroup v2, which limits memory and swap separately"},
		{0, -1, "memory.swap.max: max?", ""},
	} {
		r := &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &test.limit, Swap: &test.swap}}
		settings, err := (&Cgroup{Mode: V2, Dirs: allV2}).plan(r)
		if test.err != "" {
			assert.EqualError(t, err, test.err)
			continue
		}
		require.NoError(t, err)
		if test.v2 == "" {
			assert.NotContains(t, lines(settings), "memory.swap.max")
		} else {
			assert.Equal(t, test.v2, lines(settings)[len(settings)-1])
		}
	}
}

func TestWhatAVersionCannotDoIsRefused(t *testing.T) {
	v1, v2 := &Cgroup{Mode: V1, Dirs: allV1}, &Cgroup{Mode: V2, Dirs: allV2}
	memory := func(m specs.LinuxMemory) *specs.LinuxResources { return &specs.LinuxResources{Memory: &m} }
	cpu := func(c specs.LinuxCPU) *specs.LinuxResources { return &specs.LinuxResources{CPU: &c} }
	for field, r := range map[string]*specs.LinuxResources{
		"memory.kernelTCP":                memory(specs.LinuxMemory{KernelTCP: new(int64(1))}),
		"memory.swappiness":               memory(specs.LinuxMemory{Swappiness: new(uint64(1))}),
		"memory.disableOOMKiller":         memory(specs.LinuxMemory{DisableOOMKiller: new(true)}),
		"memory.useHierarchy: false":      memory(specs.LinuxMemory{UseHierarchy: new(false)}),
		"cpu.realtimePeriod":              cpu(specs.LinuxCPU{RealtimePeriod: new(uint64(1))}),
		"cpu.realtimeRuntime":             cpu(specs.LinuxCPU{RealtimeRuntime: new(int64(1))}),
		"blockIO.leafWeight":              {BlockIO: &specs.LinuxBlockIO{LeafWeight: new(uint16(10))}},
		"blockIO.weightDevice.leafWeight": {BlockIO: &specs.LinuxBlockIO{WeightDevice: []specs.LinuxWeightDevice{{LeafWeight: new(uint16(10))}}}},
		"network.classID":                 {Network: &specs.LinuxNetwork{ClassID: new(uint32(0))}},
		"network.priorities":              {Network: &specs.LinuxNetwork{Priorities: []specs.LinuxInterfacePriority{{Name: "lo"}}}},
	} {
		_, err := v2.plan(r)
		assert.EqualError(t, err, "linux.resources."+field+": not supported on cgroup v2")
		_, err = v1.plan(r)
		assert.NoError(t, err)
	}
	// What makes no difference is no reason to fail.
	_, err := v2.plan(memory(specs.LinuxMemory{KernelTCP: new(int64(-1)), Swappiness: new(^uint64(0)), DisableOOMKiller: new(false), UseHierarchy: new(true)}))
	assert.NoError(t, err)

	_, err = v1.plan(&specs.LinuxResources{Unified: map[string]string{"memory.high": "1"}})
	assert.EqualError(t, err, "linux.resources.unified: invalid configuration: not supported on cgroup v1: memory.high")
	_, err = (&Cgroup{Mode: V1}).plan(everything())
	assert.EqualError(t, err, "linux.resources.memory.limit: the memory controller is not mounted")
}

func TestNonsenseIsRefused(t *testing.T) {
	for want, r := range map[string]*specs.LinuxResources{
		"memory.limit":       {Memory: &specs.LinuxMemory{Limit: new(int64(-2))}},
		"memory.swappiness":  {Memory: &specs.LinuxMemory{Swappiness: new(uint64(101))}},
		"cpu.burst":          {CPU: &specs.LinuxCPU{Burst: new(uint64(2)), Quota: new(int64(1))}},
		"cpu.cpus":           {CPU: &specs.LinuxCPU{Cpus: "0\n1"}},
		"cpu.mems":           {CPU: &specs.LinuxCPU{Mems: "all"}},
		"pids.limit":         {Pids: &specs.LinuxPids{Limit: new(int64(-2))}},
		"blockIO":            {BlockIO: &specs.LinuxBlockIO{Weight: new(uint16(9))}},
		"hugepageLimits":     {HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: "../2MB"}}},
		"network.priorities": {Network: &specs.LinuxNetwork{Priorities: []specs.LinuxInterfacePriority{{Name: "a b"}}}},
		"rdma":               {Rdma: map[string]specs.LinuxRdma{"x": {}}},
		"unified":            {Unified: map[string]string{"../memory.max": "1"}},
	} {
		for _, c := range []*Cgroup{{Mode: V1, Dirs: allV1}, {Mode: V2, Dirs: allV2}} {
			_, err := c.plan(r)
			assert.ErrorContains(t, err, "linux.resources."+want+": ")
		}
	}
}

func TestSetOnVersion1WorksInBothDirections(t *testing.T) {
	c := created(t, nil)
	needController(t, c, 1, "memory", "cpu", "pids", "cpuset")
	for _, size := range []int64{64 << 20, 32 << 20, 128 << 20, -1, 64 << 20} {
		quota, burst := size>>10, uint64(size>>11)
		if size == -1 {
			quota, burst = -1, 0
		}
		require.NoError(t, c.Set(&specs.LinuxResources{
			Memory: &specs.LinuxMemory{Limit: &size, Swap: &size},
			CPU:    &specs.LinuxCPU{Quota: &quota, Burst: &burst, Cpus: "0"},
			Pids:   &specs.LinuxPids{Limit: new(max(size>>20, -1))},
		}), "%d", size)
		want := strconv.FormatInt(size, 10)
		assert.Equal(t, strconv.FormatInt(quota, 10), content(t, c, "cpu", "cpu.cfs_quota_us"))
		assert.Equal(t, strconv.FormatUint(burst, 10), content(t, c, "cpu", "cpu.cfs_burst_us"))
		for _, file := range []string{"memory.limit_in_bytes", "memory.memsw.limit_in_bytes"} {
			n, err := readNumber(path.Join(c.DirOf("memory").Path, file))
			if !os.IsNotExist(err) {
				require.NoError(t, err)
				assert.Equal(t, want, strconv.FormatInt(n, 10), file)
			}
		}
	}
	assert.Equal(t, "64", content(t, c, "pids", "pids.max"))
	assert.Equal(t, "0", content(t, c, "cpuset", "cpuset.cpus"))
}

func TestALimitOfMemoryAboveThatOfMemoryAndSwapIsRefusedWithARemedy(t *testing.T) {
	c := created(t, nil)
	needController(t, c, 1, "memory")
	require.NoError(t, c.Set(&specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: new(int64(64 << 20)), Swap: new(int64(64 << 20))}}))
	err := c.Set(&specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: new(int64(96 << 20))}})
	assert.ErrorContains(t, err, "linux.resources.memory.limit: ")
	assert.ErrorContains(t, err, "--memory-swap")
}

func TestSetSaysWhichFieldTheKernelRefuses(t *testing.T) {
	c := created(t, nil)
	needController(t, c, 1, "cpu", "blkio")
	err := c.Set(&specs.LinuxResources{CPU: &specs.LinuxCPU{Quota: new(int64(1))}})
	assert.ErrorContains(t, err, `linux.resources.cpu.quota: write "1": write /sys/fs/cgroup/`)
	assert.ErrorContains(t, err, "refuses this value")
	err = c.Set(&specs.LinuxResources{BlockIO: &specs.LinuxBlockIO{LeafWeight: new(uint16(10))}})
	assert.ErrorContains(t, err, "linux.resources.blockIO.leafWeight: ")
	assert.ErrorContains(t, err, "the kernel has no such limit")
}
