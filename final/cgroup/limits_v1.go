//go:build linux

package cgroup

import (
	"fmt"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// resources is short for the parameter of the functions in the tables.
type resources = specs.LinuxResources

// limitsV1 is Documentation/admin-guide/cgroup-v1 as a table.
var limitsV1 = []limit{
	{field: "memory.limit", controller: "memory", file: "memory.limit_in_bytes",
		values: func(r *resources) []string { return unlessZero(r.Memory.Limit) }},
	{field: "memory.swap", controller: "memory", file: "memory.memsw.limit_in_bytes",
		values: func(r *resources) []string { return unlessZero(memoryAndSwap(r.Memory)) }, optional: noSwapOrAny},
	{field: "memory.reservation", controller: "memory", file: "memory.soft_limit_in_bytes",
		values: func(r *resources) []string { return unlessZero(r.Memory.Reservation) }},
	{field: "memory.kernelTCP", controller: "memory", file: "memory.kmem.tcp.limit_in_bytes",
		values: func(r *resources) []string { return unlessZero(memoryOfTCP(r.Memory)) }, optional: func(r *resources) bool { return !isSet(r.Memory.KernelTCP) }},
	{field: "memory.swappiness", controller: "memory", file: "memory.swappiness",
		values: func(r *resources) []string { return swappiness(r.Memory) }},
	{field: "memory.disableOOMKiller", controller: "memory", file: "memory.oom_control",
		values: func(r *resources) []string { return flag(r.Memory.DisableOOMKiller) }},
	{field: "memory.useHierarchy", controller: "memory", file: "memory.use_hierarchy",
		values: func(r *resources) []string { return flag(r.Memory.UseHierarchy) }},

	{field: "cpu.shares", controller: "cpu", file: "cpu.shares",
		values: func(r *resources) []string { return unlessZero(r.CPU.Shares) }},
	{field: "cpu.idle", controller: "cpu", file: "cpu.idle",
		values: func(r *resources) []string { return number(r.CPU.Idle) }},
	{field: "cpu.period", controller: "cpu", file: "cpu.cfs_period_us",
		values: func(r *resources) []string { return unlessZero(r.CPU.Period) }},
	{field: "cpu.quota", controller: "cpu", file: "cpu.cfs_quota_us",
		values: func(r *resources) []string { return unlessZero(r.CPU.Quota) }},
	{field: "cpu.burst", controller: "cpu", file: "cpu.cfs_burst_us",
		values: func(r *resources) []string { return number(r.CPU.Burst) }},
	{field: "cpu.realtimePeriod", controller: "cpu", file: "cpu.rt_period_us",
		values: func(r *resources) []string { return unlessZero(r.CPU.RealtimePeriod) }},
	{field: "cpu.realtimeRuntime", controller: "cpu", file: "cpu.rt_runtime_us",
		values: func(r *resources) []string { return unlessZero(r.CPU.RealtimeRuntime) }},
	{field: "cpu.cpus", controller: "cpuset", file: "cpuset.cpus",
		values: func(r *resources) []string { return text(r.CPU.Cpus) }},
	{field: "cpu.mems", controller: "cpuset", file: "cpuset.mems",
		values: func(r *resources) []string { return text(r.CPU.Mems) }},

	{field: "pids.limit", controller: "pids", file: "pids.max",
		values: func(r *resources) []string { return pidsMax(r.Pids) }},

	{field: "blockIO.weight", controller: "blkio", file: "blkio.bfq.weight",
		values: func(r *resources) []string { return unlessZero(r.BlockIO.Weight) }},
	{field: "blockIO.weight", controller: "blkio", file: "blkio.weight",
		values: func(r *resources) []string { return unlessZero(r.BlockIO.Weight) }},
	{field: "blockIO.leafWeight", controller: "blkio", file: "blkio.leaf_weight",
		values: func(r *resources) []string { return unlessZero(r.BlockIO.LeafWeight) }},
	{field: "blockIO.weightDevice", controller: "blkio", file: "blkio.bfq.weight_device",
		values: func(r *resources) []string { return deviceWeights(r.BlockIO, weight, sameWeight) }},
	{field: "blockIO.weightDevice", controller: "blkio", file: "blkio.weight_device",
		values: func(r *resources) []string { return deviceWeights(r.BlockIO, weight, sameWeight) }},
	{field: "blockIO.weightDevice.leafWeight", controller: "blkio", file: "blkio.leaf_weight_device",
		values: func(r *resources) []string { return deviceWeights(r.BlockIO, leafWeight, sameWeight) }},
	{field: "blockIO.throttleReadBpsDevice", controller: "blkio", file: "blkio.throttle.read_bps_device",
		values: func(r *resources) []string { return throttlesV1(r.BlockIO.ThrottleReadBpsDevice) }},
	{field: "blockIO.throttleWriteBpsDevice", controller: "blkio", file: "blkio.throttle.write_bps_device",
		values: func(r *resources) []string { return throttlesV1(r.BlockIO.ThrottleWriteBpsDevice) }},
	{field: "blockIO.throttleReadIOPSDevice", controller: "blkio", file: "blkio.throttle.read_iops_device",
		values: func(r *resources) []string { return throttlesV1(r.BlockIO.ThrottleReadIOPSDevice) }},
	{field: "blockIO.throttleWriteIOPSDevice", controller: "blkio", file: "blkio.throttle.write_iops_device",
		values: func(r *resources) []string { return throttlesV1(r.BlockIO.ThrottleWriteIOPSDevice) }},

	{field: "network.classID", controller: "net_cls", file: "net_cls.classid",
		values: func(r *resources) []string { return number(r.Network.ClassID) }},
	{field: "network.priorities", controller: "net_prio", file: "net_prio.ifpriomap",
		values: func(r *resources) []string { return priorities(r.Network) }},

	{field: "rdma", controller: "rdma", file: "rdma.max", values: rdma},
}

// hugepagesV1 has a limit on what is used for each size of pages, and one on what is reserved where the kernel counts that.
func hugepagesV1(r *resources) []limit {
	var limits []limit
	for _, h := range r.HugepageLimits {
		values := func(*resources) []string { return []string{strconv.FormatUint(h.Limit, 10)} }
		limits = append(limits,
			limit{field: "hugepageLimits." + h.Pagesize, controller: "hugetlb", file: "hugetlb." + h.Pagesize + ".limit_in_bytes", values: values},
			limit{field: "hugepageLimits." + h.Pagesize + ".reserved", controller: "hugetlb", file: "hugetlb." + h.Pagesize + ".rsvd.limit_in_bytes", values: values, optional: always})
	}
	return limits
}

func throttlesV1(devices []specs.LinuxThrottleDevice) []string {
	var lines []string
	for _, d := range devices {
		lines = append(lines, fmt.Sprintf("%d:%d %d", d.Major, d.Minor, d.Rate))
	}
	return lines
}
