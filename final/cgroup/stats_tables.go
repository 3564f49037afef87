//go:build linux

package cgroup

// counter says which file of which controller has a number of Stats.
type counter struct {
	controller, file string
	// key is that of the line in a file of many numbers. It is empty for a file of one.
	key string
	// unit is what the number is multiplied with. 0 stands for 1.
	unit uint64
	to   func(*Stats) *uint64
}

// countersV1 is Documentation/admin-guide/cgroup-v1: cpuacct.rst, memory.rst, pids.rst, and cfs bandwidth in
// Documentation/scheduler/sched-bwc.rst.
var countersV1 = []counter{
	{controller: "cpuacct", file: "cpuacct.usage", to: func(s *Stats) *uint64 { return &s.CPU.Usage.Total }},
	{controller: "cpuacct", file: "cpuacct.usage_sys", to: func(s *Stats) *uint64 { return &s.CPU.Usage.Kernel }},
	{controller: "cpuacct", file: "cpuacct.usage_user", to: func(s *Stats) *uint64 { return &s.CPU.Usage.User }},
	{controller: "cpu", file: "cpu.stat", key: "nr_periods", to: func(s *Stats) *uint64 { return &s.CPU.Throttling.Periods }},
	{controller: "cpu", file: "cpu.stat", key: "nr_throttled",
		to: func(s *Stats) *uint64 { return &s.CPU.Throttling.ThrottledPeriods }},
	{controller: "cpu", file: "cpu.stat", key: "throttled_time",
		to: func(s *Stats) *uint64 { return &s.CPU.Throttling.ThrottledTime }},

	{controller: "memory", file: "memory.stat", key: "total_cache", to: func(s *Stats) *uint64 { return &s.Memory.Cache }},
	{controller: "memory", file: "memory.limit_in_bytes", to: func(s *Stats) *uint64 { return &s.Memory.Usage.Limit }},
	{controller: "memory", file: "memory.usage_in_bytes", to: func(s *Stats) *uint64 { return &s.Memory.Usage.Usage }},
	{controller: "memory", file: "memory.max_usage_in_bytes", to: func(s *Stats) *uint64 { return &s.Memory.Usage.Max }},
	{controller: "memory", file: "memory.failcnt", to: func(s *Stats) *uint64 { return &s.Memory.Usage.Failcnt }},
	{controller: "memory", file: "memory.memsw.limit_in_bytes", to: func(s *Stats) *uint64 { return &s.Memory.Swap.Limit }},
	{controller: "memory", file: "memory.memsw.usage_in_bytes", to: func(s *Stats) *uint64 { return &s.Memory.Swap.Usage }},
	{controller: "memory", file: "memory.memsw.max_usage_in_bytes", to: func(s *Stats) *uint64 { return &s.Memory.Swap.Max }},
	{controller: "memory", file: "memory.memsw.failcnt", to: func(s *Stats) *uint64 { return &s.Memory.Swap.Failcnt }},
	{controller: "memory", file: "memory.kmem.limit_in_bytes", to: func(s *Stats) *uint64 { return &s.Memory.Kernel.Limit }},
	{controller: "memory", file: "memory.kmem.usage_in_bytes", to: func(s *Stats) *uint64 { return &s.Memory.Kernel.Usage }},
	{controller: "memory", file: "memory.kmem.max_usage_in_bytes", to: func(s *Stats) *uint64 { return &s.Memory.Kernel.Max }},
	{controller: "memory", file: "memory.kmem.failcnt", to: func(s *Stats) *uint64 { return &s.Memory.Kernel.Failcnt }},
	{controller: "memory", file: "memory.kmem.tcp.limit_in_bytes",
		to: func(s *Stats) *uint64 { return &s.Memory.KernelTCP.Limit }},
	{controller: "memory", file: "memory.kmem.tcp.usage_in_bytes",
		to: func(s *Stats) *uint64 { return &s.Memory.KernelTCP.Usage }},
	{controller: "memory", file: "memory.kmem.tcp.max_usage_in_bytes",
		to: func(s *Stats) *uint64 { return &s.Memory.KernelTCP.Max }},
	{controller: "memory", file: "memory.kmem.tcp.failcnt", to: func(s *Stats) *uint64 { return &s.Memory.KernelTCP.Failcnt }},

	{controller: "pids", file: "pids.current", to: func(s *Stats) *uint64 { return &s.Pids.Current }},
	{controller: "pids", file: "pids.max", to: func(s *Stats) *uint64 { return &s.Pids.Limit }},
}

// countersV2 is Documentation/admin-guide/cgroup-v2.rst. Swap is counted for itself there: see addSwap.
var countersV2 = []counter{
	{controller: "cpu", file: "cpu.stat", key: "usage_usec", unit: 1000, to: func(s *Stats) *uint64 { return &s.CPU.Usage.Total }},
	{controller: "cpu", file: "cpu.stat", key: "system_usec", unit: 1000,
		to: func(s *Stats) *uint64 { return &s.CPU.Usage.Kernel }},
	{controller: "cpu", file: "cpu.stat", key: "user_usec", unit: 1000, to: func(s *Stats) *uint64 { return &s.CPU.Usage.User }},
	{controller: "cpu", file: "cpu.stat", key: "nr_periods", to: func(s *Stats) *uint64 { return &s.CPU.Throttling.Periods }},
	{controller: "cpu", file: "cpu.stat", key: "nr_throttled",
		to: func(s *Stats) *uint64 { return &s.CPU.Throttling.ThrottledPeriods }},
	{controller: "cpu", file: "cpu.stat", key: "throttled_usec", unit: 1000,
		to: func(s *Stats) *uint64 { return &s.CPU.Throttling.ThrottledTime }},

	{controller: "memory", file: "memory.stat", key: "file", to: func(s *Stats) *uint64 { return &s.Memory.Cache }},
	{controller: "memory", file: "memory.max", to: func(s *Stats) *uint64 { return &s.Memory.Usage.Limit }},
	{controller: "memory", file: "memory.current", to: func(s *Stats) *uint64 { return &s.Memory.Usage.Usage }},
	{controller: "memory", file: "memory.peak", to: func(s *Stats) *uint64 { return &s.Memory.Usage.Max }},
	{controller: "memory", file: "memory.events", key: "max", to: func(s *Stats) *uint64 { return &s.Memory.Usage.Failcnt }},
	{controller: "memory", file: "memory.swap.max", to: func(s *Stats) *uint64 { return &s.Memory.Swap.Limit }},
	{controller: "memory", file: "memory.swap.current", to: func(s *Stats) *uint64 { return &s.Memory.Swap.Usage }},
	{controller: "memory", file: "memory.swap.events", key: "fail", to: func(s *Stats) *uint64 { return &s.Memory.Swap.Failcnt }},
	{controller: "memory", file: "memory.stat", key: "kernel", to: func(s *Stats) *uint64 { return &s.Memory.Kernel.Usage }},

	{controller: "pids", file: "pids.current", to: func(s *Stats) *uint64 { return &s.Pids.Current }},
	{controller: "pids", file: "pids.max", to: func(s *Stats) *uint64 { return &s.Pids.Limit }},
}

// blkioV1 says which files have a list of BlkioStats. The first that has entries counts: what BFQ counts is empty where a disk
// has another scheduler. cgroup-v1/blkio-controller.rst
var blkioV1 = []struct {
	files []string
	to    func(*BlkioStats) *[]BlkioEntry
}{
	{[]string{"blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes"},
		func(s *BlkioStats) *[]BlkioEntry { return &s.ServiceBytes }},
	{[]string{"blkio.throttle.io_serviced_recursive", "blkio.throttle.io_serviced"},
		func(s *BlkioStats) *[]BlkioEntry { return &s.Serviced }},
	{[]string{"blkio.bfq.io_queued_recursive"}, func(s *BlkioStats) *[]BlkioEntry { return &s.Queued }},
	{[]string{"blkio.bfq.io_service_time_recursive"}, func(s *BlkioStats) *[]BlkioEntry { return &s.ServiceTime }},
	{[]string{"blkio.bfq.io_wait_time_recursive"}, func(s *BlkioStats) *[]BlkioEntry { return &s.WaitTime }},
	{[]string{"blkio.bfq.io_merged_recursive"}, func(s *BlkioStats) *[]BlkioEntry { return &s.Merged }},
	{[]string{"blkio.bfq.time_recursive"}, func(s *BlkioStats) *[]BlkioEntry { return &s.Time }},
	{[]string{"blkio.bfq.sectors_recursive"}, func(s *BlkioStats) *[]BlkioEntry { return &s.Sectors }},
}

// ioStatV2 has the same for the keys of io.stat.
var ioStatV2 = map[string]struct {
	op string
	to func(*BlkioStats) *[]BlkioEntry
}{
	"rbytes": {"Read", func(s *BlkioStats) *[]BlkioEntry { return &s.ServiceBytes }},
	"wbytes": {"Write", func(s *BlkioStats) *[]BlkioEntry { return &s.ServiceBytes }},
	"dbytes": {"Discard", func(s *BlkioStats) *[]BlkioEntry { return &s.ServiceBytes }},
	"rios":   {"Read", func(s *BlkioStats) *[]BlkioEntry { return &s.Serviced }},
	"wios":   {"Write", func(s *BlkioStats) *[]BlkioEntry { return &s.Serviced }},
	"dios":   {"Discard", func(s *BlkioStats) *[]BlkioEntry { return &s.Serviced }},
}
