//go:build linux

package stats

// counter says which file of a controller has a number of Stats.
type counter struct {
	to         *uint64
	controller string
	file       string
	// key selects a line of a file that has many numbers.
	key string
}

// countersOf returns the table of a version. The tables of version 1 are cpuacct.rst, memory.rst and pids.rst of the kernel's
// admin-guide/cgroup-v1, and scheduler/sched-bwc.rst. The table of version 2 is admin-guide/cgroup-v2.rst.
func (s *Stats) countersOf(version int) []counter {
	usage, throttling, m := &s.CPU.Usage, &s.CPU.Throttling, &s.Memory
	both := []counter{
		{&throttling.Periods, "cpu", "cpu.stat", "nr_periods"},
		{&throttling.ThrottledPeriods, "cpu", "cpu.stat", "nr_throttled"},
		{&s.Pids.Current, "pids", "pids.current", ""},
		{&s.Pids.Limit, "pids", "pids.max", ""},
	}
	if version == 2 {
		return append(both,
			counter{&usage.Total, "cpu", "cpu.stat", "usage_usec"},
			counter{&usage.Kernel, "cpu", "cpu.stat", "system_usec"},
			counter{&usage.User, "cpu", "cpu.stat", "user_usec"},
			counter{&throttling.ThrottledTime, "cpu", "cpu.stat", "throttled_usec"},
			counter{&m.Cache, "memory", "memory.stat", "file"},
			counter{&m.Usage.Limit, "memory", "memory.max", ""},
			counter{&m.Usage.Usage, "memory", "memory.current", ""},
			counter{&m.Usage.Max, "memory", "memory.peak", ""},
			counter{&m.Usage.Failcnt, "memory", "memory.events", "max"},
			counter{&m.Swap.Limit, "memory", "memory.swap.max", ""},
			counter{&m.Swap.Usage, "memory", "memory.swap.current", ""},
			counter{&m.Swap.Failcnt, "memory", "memory.swap.events", "fail"},
			counter{&m.Kernel.Usage, "memory", "memory.stat", "kernel"},
		)
	}
	table := append(both,
		counter{&usage.Total, "cpuacct", "cpuacct.usage", ""},
		counter{&usage.Kernel, "cpuacct", "cpuacct.usage_sys", ""},
		counter{&usage.User, "cpuacct", "cpuacct.usage_user", ""},
		counter{&throttling.ThrottledTime, "cpu", "cpu.stat", "throttled_time"},
		counter{&m.Cache, "memory", "memory.stat", "total_cache"},
	)
	for prefix, u := range map[string]*MemoryUsage{"memory": &m.Usage, "memory.memsw": &m.Swap, "memory.kmem": &m.Kernel, "memory.kmem.tcp": &m.KernelTCP} {
		table = append(table,
			counter{&u.Limit, "memory", prefix + ".limit_in_bytes", ""},
			counter{&u.Usage, "memory", prefix + ".usage_in_bytes", ""},
			counter{&u.Max, "memory", prefix + ".max_usage_in_bytes", ""},
			counter{&u.Failcnt, "memory", prefix + ".failcnt", ""},
		)
	}
	return table
}

// list says which file of version 1, or which key of io.stat of version 2, has entries of a list.
type list struct {
	to   *[]BlkioEntry
	from string
	op   string
}

// listsV1 may name two files for one list: the second file is for a kernel that lacks the first. cgroup-v1/blkio-controller.rst
func (s *Blkio) listsV1() []list {
	return []list{
		{to: &s.ServiceBytes, from: "blkio.throttle.io_service_bytes_recursive"},
		{to: &s.ServiceBytes, from: "blkio.throttle.io_service_bytes"},
		{to: &s.Serviced, from: "blkio.throttle.io_serviced_recursive"},
		{to: &s.Serviced, from: "blkio.throttle.io_serviced"},
		{to: &s.Queued, from: "blkio.bfq.io_queued_recursive"},
		{to: &s.ServiceTime, from: "blkio.bfq.io_service_time_recursive"},
		{to: &s.WaitTime, from: "blkio.bfq.io_wait_time_recursive"},
		{to: &s.Merged, from: "blkio.bfq.io_merged_recursive"},
		{to: &s.Time, from: "blkio.bfq.time_recursive"},
		{to: &s.Sectors, from: "blkio.bfq.sectors_recursive"},
	}
}

// listsV2 has the keys of io.stat. cgroup-v2.rst, "IO Interface Files"
func (s *Blkio) listsV2() []list {
	return []list{
		{&s.ServiceBytes, "rbytes", "Read"}, {&s.ServiceBytes, "wbytes", "Write"}, {&s.ServiceBytes, "dbytes", "Discard"},
		{&s.Serviced, "rios", "Read"}, {&s.Serviced, "wios", "Write"}, {&s.Serviced, "dios", "Discard"},
	}
}
