//go:build linux

package cgroup

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// limitsV2 is Documentation/admin-guide/cgroup-v2.rst as a table. A field without a file is one that version 2 has not.
var limitsV2 = []limit{
	{field: "memory.limit", controller: "memory", file: "memory.max",
		values: func(r *resources) []string { return orMaxUnlessZero(r.Memory.Limit) }},
	{field: "memory.swap", controller: "memory", file: "memory.swap.max",
		values: func(r *resources) []string { return swapOnly(r.Memory) }, optional: noSwapOrAny},
	{field: "memory.reservation", controller: "memory", file: "memory.low",
		values: func(r *resources) []string { return orMaxUnlessZero(r.Memory.Reservation) }},
	{field: "memory.kernelTCP", controller: "memory",
		values: func(r *resources) []string { return unlessNoLimit(r.Memory.KernelTCP) }},
	{field: "memory.swappiness", controller: "memory",
		values: func(r *resources) []string { return swappiness(r.Memory) }},
	{field: "memory.disableOOMKiller", controller: "memory",
		values: func(r *resources) []string { return flagIf(r.Memory.DisableOOMKiller, true) }},
	{field: "memory.useHierarchy: false", controller: "memory",
		values: func(r *resources) []string { return flagIf(r.Memory.UseHierarchy, false) }},

	{field: "cpu.shares", controller: "cpu", file: "cpu.weight",
		values: func(r *resources) []string { return cpuWeight(r.CPU) }},
	{field: "cpu.idle", controller: "cpu", file: "cpu.idle",
		values: func(r *resources) []string { return number(r.CPU.Idle) }},
	{field: "cpu.quota", controller: "cpu", file: "cpu.max",
		values: func(r *resources) []string { return quotaAndPeriod(r.CPU) }},
	{field: "cpu.burst", controller: "cpu", file: "cpu.max.burst",
		values: func(r *resources) []string { return number(r.CPU.Burst) }},
	{field: "cpu.realtimePeriod", controller: "cpu",
		values: func(r *resources) []string { return unlessZero(r.CPU.RealtimePeriod) }},
	{field: "cpu.realtimeRuntime", controller: "cpu",
		values: func(r *resources) []string { return unlessZero(r.CPU.RealtimeRuntime) }},
	{field: "cpu.cpus", controller: "cpuset", file: "cpuset.cpus",
		values: func(r *resources) []string { return text(r.CPU.Cpus) }},
	{field: "cpu.mems", controller: "cpuset", file: "cpuset.mems",
		values: func(r *resources) []string { return text(r.CPU.Mems) }},

	{field: "pids.limit", controller: "pids", file: "pids.max",
		values: func(r *resources) []string { return pidsMax(r.Pids) }},

	{field: "blockIO.weight", controller: "io", file: "io.bfq.weight",
		values: func(r *resources) []string { return unlessZero(r.BlockIO.Weight) }},
	{field: "blockIO.weight", controller: "io", file: "io.weight",
		values: func(r *resources) []string { return ioWeight(r.BlockIO) }},
	{field: "blockIO.leafWeight", controller: "io",
		values: func(r *resources) []string { return unlessZero(r.BlockIO.LeafWeight) }},
	{field: "blockIO.weightDevice", controller: "io", file: "io.bfq.weight",
		values: func(r *resources) []string { return deviceWeights(r.BlockIO, weight, sameWeight) }},
	{field: "blockIO.weightDevice", controller: "io", file: "io.weight",
		values: func(r *resources) []string { return deviceWeights(r.BlockIO, weight, wideWeight) }},
	{field: "blockIO.weightDevice.leafWeight", controller: "io",
		values: func(r *resources) []string { return deviceWeights(r.BlockIO, leafWeight, sameWeight) }},
	{field: "blockIO.throttleReadBpsDevice", controller: "io", file: "io.max",
		values: func(r *resources) []string { return throttlesV2(r.BlockIO.ThrottleReadBpsDevice, "rbps") }},
	{field: "blockIO.throttleWriteBpsDevice", controller: "io", file: "io.max",
		values: func(r *resources) []string { return throttlesV2(r.BlockIO.ThrottleWriteBpsDevice, "wbps") }},
	{field: "blockIO.throttleReadIOPSDevice", controller: "io", file: "io.max",
		values: func(r *resources) []string { return throttlesV2(r.BlockIO.ThrottleReadIOPSDevice, "riops") }},
	{field: "blockIO.throttleWriteIOPSDevice", controller: "io", file: "io.max",
		values: func(r *resources) []string { return throttlesV2(r.BlockIO.ThrottleWriteIOPSDevice, "wiops") }},

	{field: "network.classID", controller: "net_cls",
		values: func(r *resources) []string { return number(r.Network.ClassID) }},
	{field: "network.priorities", controller: "net_prio",
		values: func(r *resources) []string { return priorities(r.Network) }},

	{field: "rdma", controller: "rdma", file: "rdma.max", values: rdma},
}

// hugepagesV2 has a limit on what is used for each size of pages, and one on what is reserved where the kernel counts that.
func hugepagesV2(r *resources) []limit {
	var limits []limit
	for _, h := range r.HugepageLimits {
		values := func(*resources) []string { return []string{strconv.FormatUint(h.Limit, 10)} }
		limits = append(limits,
			limit{field: "hugepageLimits." + h.Pagesize, controller: "hugetlb", file: "hugetlb." + h.Pagesize + ".max", values: values},
			limit{field: "hugepageLimits." + h.Pagesize + ".reserved", controller: "hugetlb", file: "hugetlb." + h.Pagesize + ".rsvd.max", values: values, optional: always})
	}
	return limits
}

// unifiedV2 writes what is under linux.resources.unified as it is, line by line: the kernel takes one device at a time. The
// part of the key before the dot is the controller. OCI config-linux.md, "Unified".
func unifiedV2(r *resources) []limit {
	var limits []limit
	for _, key := range slices.Sorted(maps.Keys(r.Unified)) {
		controller, _, _ := strings.Cut(key, ".")
		limits = append(limits, limit{
			field: "unified." + key, controller: controller, file: key,
			values: func(*resources) []string { return strings.Split(strings.TrimSuffix(r.Unified[key], "\n"), "\n") },
		})
	}
	return limits
}

// throttlesV2 writes no limit as max, which is 0 in the configuration.
func throttlesV2(devices []specs.LinuxThrottleDevice, key string) []string {
	var lines []string
	for _, d := range devices {
		rate := "max"
		if d.Rate > 0 {
			rate = strconv.FormatUint(d.Rate, 10)
		}
		lines = append(lines, fmt.Sprintf("%d:%d %s=%s", d.Major, d.Minor, key, rate))
	}
	return lines
}
