//go:build linux

// Package limit runs on the host side, and executes nothing: it turns linux.resources of the configuration into values for files of
// cgroups. [limitsV1] and [limitsV2] are tables with all fields and files.
package limit

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Limit is a row of a table: the file that a version has for a field of the configuration.
//
// Two rows in succession may have the same field. The second row is for kernels without the file of the first.
type Limit struct {
	// Field is the name below linux.resources.
	Field, Controller string
	// File is empty if the version has no such limit.
	File string
	// Values go to the file one after the other. A field that is not set has no values.
	Values []string
}

// Of returns the rows of a version that have values.
func Of(version int, r *specs.LinuxResources) []Limit {
	r = complete(*r)
	rows := map[int]func(*resources) []Limit{1: limitsV1, 2: limitsV2}[version](r)
	return slices.DeleteFunc(rows, func(l Limit) bool { return len(l.Values) == 0 })
}

// First returns the first field that has a value, or "". Rules for devices do not count: without cgroups, the permissions of the host's
// device nodes decide.
func First(r *specs.LinuxResources) string {
	if r == nil {
		return ""
	}
	for version := 1; version <= 2; version++ {
		if rows := Of(version, r); len(rows) > 0 {
			return rows[0].Field
		}
	}
	return ""
}

// complete adds empty parts to the resources, so that nobody has to ask whether a part is nil.
func complete(r resources) *resources {
	r.Memory = cmp.Or(r.Memory, &specs.LinuxMemory{})
	r.CPU = cmp.Or(r.CPU, &specs.LinuxCPU{})
	r.Pids = cmp.Or(r.Pids, &specs.LinuxPids{})
	r.BlockIO = cmp.Or(r.BlockIO, &specs.LinuxBlockIO{})
	r.Network = cmp.Or(r.Network, &specs.LinuxNetwork{})
	return &r
}

// limitsV1 is the kernel's admin-guide/cgroup-v1 as a table.
func limitsV1(r *resources) []Limit {
	m, cpu, b := r.Memory, r.CPU, r.BlockIO
	return slices.Concat([]Limit{
		{"memory.limit", "memory", "memory.limit_in_bytes", nonzero(m.Limit)},
		{"memory.swap", "memory", "memory.memsw.limit_in_bytes", nonzero(memoryAndSwap(m))},
		{"memory.reservation", "memory", "memory.soft_limit_in_bytes", nonzero(m.Reservation)},
		{"memory.kernelTCP", "memory", "memory.kmem.tcp.limit_in_bytes", nonzero(memoryOfTCP(m))},
		{"memory.swappiness", "memory", "memory.swappiness", swappiness(m)},
		{"memory.disableOOMKiller", "memory", "memory.oom_control", flag(m.DisableOOMKiller)},
		{"memory.useHierarchy", "memory", "memory.use_hierarchy", flag(m.UseHierarchy)},
		{"cpu.shares", "cpu", "cpu.shares", nonzero(cpu.Shares)},
		{"cpu.idle", "cpu", "cpu.idle", number(cpu.Idle)},
		{"cpu.period", "cpu", "cpu.cfs_period_us", nonzero(cpu.Period)},
		{"cpu.quota", "cpu", "cpu.cfs_quota_us", nonzero(cpu.Quota)},
		{"cpu.burst", "cpu", "cpu.cfs_burst_us", number(cpu.Burst)},
		{"cpu.realtimePeriod", "cpu", "cpu.rt_period_us", nonzero(cpu.RealtimePeriod)},
		{"cpu.realtimeRuntime", "cpu", "cpu.rt_runtime_us", nonzero(cpu.RealtimeRuntime)},
		{"cpu.cpus", "cpuset", "cpuset.cpus", text(cpu.Cpus)},
		{"cpu.mems", "cpuset", "cpuset.mems", text(cpu.Mems)},
		{"pids.limit", "pids", "pids.max", pidsMax(r.Pids)},
		{"blockIO.weight", "blkio", "blkio.bfq.weight", nonzero(b.Weight)},
		{"blockIO.weight", "blkio", "blkio.weight", nonzero(b.Weight)},
		{"blockIO.leafWeight", "blkio", "blkio.leaf_weight", nonzero(b.LeafWeight)},
		{"blockIO.weightDevice", "blkio", "blkio.bfq.weight_device", deviceWeights(b, weight, narrow)},
		{"blockIO.weightDevice", "blkio", "blkio.weight_device", deviceWeights(b, weight, narrow)},
		{"blockIO.weightDevice.leafWeight", "blkio", "blkio.leaf_weight_device", deviceWeights(b, leafWeight, narrow)},
		{"blockIO.throttleReadBpsDevice", "blkio", "blkio.throttle.read_bps_device", throttles(b.ThrottleReadBpsDevice, "")},
		{"blockIO.throttleWriteBpsDevice", "blkio", "blkio.throttle.write_bps_device", throttles(b.ThrottleWriteBpsDevice, "")},
		{"blockIO.throttleReadIOPSDevice", "blkio", "blkio.throttle.read_iops_device", throttles(b.ThrottleReadIOPSDevice, "")},
		{"blockIO.throttleWriteIOPSDevice", "blkio", "blkio.throttle.write_iops_device", throttles(b.ThrottleWriteIOPSDevice, "")},
		{"network.classID", "net_cls", "net_cls.classid", number(r.Network.ClassID)},
		{"network.priorities", "net_prio", "net_prio.ifpriomap", priorities(r.Network)},
		{"rdma", "rdma", "rdma.max", rdma(r)},
	}, hugepages(r, "limit_in_bytes"))
}

// limitsV2 is the kernel's admin-guide/cgroup-v2.rst as a table.
func limitsV2(r *resources) []Limit {
	m, cpu, b := r.Memory, r.CPU, r.BlockIO
	return slices.Concat([]Limit{
		{"memory.limit", "memory", "memory.max", nonzeroOrMax(m.Limit)},
		{"memory.swap", "memory", "memory.swap.max", swapOnly(m)},
		{"memory.reservation", "memory", "memory.low", nonzeroOrMax(m.Reservation)},
		{"memory.kernelTCP", "memory", "", unless(-1, m.KernelTCP)},
		{"memory.swappiness", "memory", "", swappiness(m)},
		{"memory.disableOOMKiller", "memory", "", flagIf(true, m.DisableOOMKiller)},
		{"memory.useHierarchy: false", "memory", "", flagIf(false, m.UseHierarchy)},
		{"cpu.shares", "cpu", "cpu.weight", cpuWeight(cpu)},
		{"cpu.idle", "cpu", "cpu.idle", number(cpu.Idle)},
		{"cpu.quota", "cpu", "cpu.max", quotaAndPeriod(cpu)},
		{"cpu.burst", "cpu", "cpu.max.burst", number(cpu.Burst)},
		{"cpu.realtimePeriod", "cpu", "", nonzero(cpu.RealtimePeriod)},
		{"cpu.realtimeRuntime", "cpu", "", nonzero(cpu.RealtimeRuntime)},
		{"cpu.cpus", "cpuset", "cpuset.cpus", text(cpu.Cpus)},
		{"cpu.mems", "cpuset", "cpuset.mems", text(cpu.Mems)},
		{"pids.limit", "pids", "pids.max", pidsMax(r.Pids)},
		{"blockIO.weight", "io", "io.bfq.weight", nonzero(b.Weight)},
		{"blockIO.weight", "io", "io.weight", ioWeight(b)},
		{"blockIO.leafWeight", "io", "", nonzero(b.LeafWeight)},
		{"blockIO.weightDevice", "io", "io.bfq.weight", deviceWeights(b, weight, narrow)},
		{"blockIO.weightDevice", "io", "io.weight", deviceWeights(b, weight, wide)},
		{"blockIO.weightDevice.leafWeight", "io", "", deviceWeights(b, leafWeight, narrow)},
		{"blockIO.throttleReadBpsDevice", "io", "io.max", throttles(b.ThrottleReadBpsDevice, "rbps=")},
		{"blockIO.throttleWriteBpsDevice", "io", "io.max", throttles(b.ThrottleWriteBpsDevice, "wbps=")},
		{"blockIO.throttleReadIOPSDevice", "io", "io.max", throttles(b.ThrottleReadIOPSDevice, "riops=")},
		{"blockIO.throttleWriteIOPSDevice", "io", "io.max", throttles(b.ThrottleWriteIOPSDevice, "wiops=")},
		{"network.classID", "net_cls", "", number(r.Network.ClassID)},
		{"network.priorities", "net_prio", "", priorities(r.Network)},
		{"rdma", "rdma", "rdma.max", rdma(r)},
	}, hugepages(r, "max"), unified(r))
}

// hugepages has two rows for each size of pages: the pages in use, and the reserved pages, which not every kernel counts.
func hugepages(r *resources, file string) []Limit {
	var rows []Limit
	for _, h := range r.HugepageLimits {
		size, value := h.Pagesize, []string{strconv.FormatUint(h.Limit, 10)}
		rows = append(rows,
			Limit{"hugepageLimits." + size, "hugetlb", "hugetlb." + size + "." + file, value},
			Limit{"hugepageLimits." + size + ".reserved", "hugetlb", "hugetlb." + size + ".rsvd." + file, value})
	}
	return rows
}

// unified has a row for each key of linux.resources.unified. The kernel takes one device at a time, so each line is a value. OCI
// config-linux.md, "Unified"
func unified(r *resources) []Limit {
	var rows []Limit
	for _, key := range slices.Sorted(maps.Keys(r.Unified)) {
		controller, _, _ := strings.Cut(key, ".")
		rows = append(rows, Limit{"unified." + key, controller, key, strings.Split(strings.TrimSuffix(r.Unified[key], "\n"), "\n")})
	}
	return rows
}

// IsOptional reports whether a kernel that lacks the file does what the configuration wants anyway: a kernel that does not count swap
// need not be told to allow none of it or all of it, and a limit that only follows from another limit may be missing.
func IsOptional(file string, r *specs.LinuxResources) bool {
	m := complete(*r).Memory
	switch file {
	case "memory.memsw.limit_in_bytes", "memory.swap.max":
		both := memoryAndSwap(m)
		return both != nil && (*both == -1 || m.Limit != nil && *both == *m.Limit)
	case "memory.kmem.tcp.limit_in_bytes":
		return !IsSet(m.KernelTCP)
	}
	return strings.HasPrefix(file, "hugetlb.") && strings.Contains(file, ".rsvd.")
}

// memoryAndSwap returns the limit on memory and swap together. Without such a limit, no limit on memory means no limit on swap either.
func memoryAndSwap(m *specs.LinuxMemory) *int64 {
	if !IsSet(m.Swap) && m.Limit != nil && *m.Limit == -1 {
		return m.Limit
	}
	return m.Swap
}

// memoryOfTCP returns the limit on the data that sockets keep for their readers. Version 1 does not count that data as memory, so the
// limit on memory applies a second time, unless kernelTCP is set. cgroup-v1/memory.rst, "Current Kernel Memory resources accounted"
func memoryOfTCP(m *specs.LinuxMemory) *int64 {
	if !IsSet(m.KernelTCP) {
		return m.Limit
	}
	return m.KernelTCP
}

// swapOnly returns the limit on swap, for version 2. The configuration has the limit on memory and swap together.
func swapOnly(m *specs.LinuxMemory) []string {
	both := memoryAndSwap(m)
	if IsSet(both) && *both != -1 && IsSet(m.Limit) {
		return []string{strconv.FormatInt(*both-*m.Limit, 10)}
	}
	return nonzeroOrMax(both)
}

// cpuWeight turns shares, 2 to 262144 with 1024 as the default, into a weight, 1 to 10000 with 100 as the default. The parabola in the
// logarithms goes through these three points, and a straight line could not. runc and crun use the same formula since 2025.
// cgroup-v2.rst, "cpu.weight"
func cpuWeight(cpu *specs.LinuxCPU) []string {
	if !IsSet(cpu.Shares) {
		return nil
	}
	x := math.Log2(float64(min(max(*cpu.Shares, 2), 262144)))
	y := (x*x+125*x)/612 - 7.0/34
	// Rounding errors must not lift a whole number to the next.
	return text(strconv.Itoa(int(math.Ceil(math.Pow(10, y) - 1e-9))))
}
