//go:build linux

package flags

import (
	"math"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/pflag"
)

// AddUpdateFlags adds a flag to the set for each limit that update can set without a file. Limits without a flag stay out of r. With a file,
// flags have no effect, as callers of runc expect: see [spec.LoadResources].
func AddUpdateFlags(set *pflag.FlagSet, r *specs.LinuxResources) {
	addFlags(set, updateFlags(r))
}

// updateFlags is the table of update, with the names that callers of runc know.
func updateFlags(r *specs.LinuxResources) []*flag {
	m, c, p, b := new(specs.LinuxMemory), new(specs.LinuxCPU), new(specs.LinuxPids), new(specs.LinuxBlockIO)
	memory, cpu := section(&r.Memory, m), section(&r.CPU, c)
	time := pointer(number[uint64](0, math.MaxInt64, "of microseconds"))
	quota := pointer(number[int64](-1, math.MaxInt64, "of microseconds, or -1 for no limit"))
	pids := pointer(number[int64](-1, maxPids, "from 1 to 4194304, 0 for process 1 alone, or -1 for no limit"))
	// The kernel has no such limits any more. cgroups(7)
	ignore := func(string) error { return nil }
	return []*flag{
		{name: "memory", arg: "SIZE", about: "memory: bytes, or with k, m or g; -1 means no limit", set: memory(one(&m.Limit, pointer(parseLimit)))},
		{name: "memory-swap", arg: "SIZE", about: "memory and swap together; -1 means no limit", set: memory(one(&m.Swap, pointer(parseLimit)))},
		{name: "memory-reservation", arg: "SIZE", about: "memory that the container keeps when the host runs short;\n-1 means no limit", set: memory(one(&m.Reservation, pointer(parseLimit)))},
		{name: "kernel-memory", arg: "SIZE", about: "ignored: newer kernels have no such limit", set: ignore},
		{name: "kernel-memory-tcp", arg: "SIZE", about: "ignored: newer kernels have no such limit", set: ignore},
		{name: "pids-limit", arg: "N", about: "number of processes and threads; -1 means no limit", set: section(&r.Pids, p)(one(&p.Limit, pids))},

		{name: "cpu-share", arg: "N", about: "weight for CPU time against other containers; 1024 is normal", set: cpu(one(&c.Shares, pointer(parseShares)))},
		{name: "cpu-quota", arg: "USEC", about: "CPU time in each period; -1 means no limit", set: cpu(one(&c.Quota, quota))},
		{name: "cpu-period", arg: "USEC", about: "length of a period", set: cpu(one(&c.Period, time))},
		{name: "cpu-burst", arg: "USEC", about: "unused CPU time that a later period may use", set: cpu(one(&c.Burst, time))},
		{name: "cpu-rt-period", arg: "USEC", about: "length of a period for realtime processes", set: cpu(one(&c.RealtimePeriod, time))},
		{name: "cpu-rt-runtime", arg: "USEC", about: "CPU time of realtime processes in each period;\n-1 means no limit", set: cpu(one(&c.RealtimeRuntime, quota))},
		{name: "cpu-idle", arg: "0|1", about: "1: run only when no other process wants the CPU", set: cpu(one(&c.Idle, pointer(number[int64](0, 1, "0 or 1"))))},
		{name: "cpuset-cpus", arg: "LIST", about: "processors that the container may use, such as 0-3,5", set: cpu(one(&c.Cpus, checkedCpuset))},
		{name: "cpuset-mems", arg: "LIST", about: "memory nodes that the container may use, such as 0", set: cpu(one(&c.Mems, checkedCpuset))},

		{name: "blkio-weight", arg: "N", about: "weight for disk input and output: 10 to 1000", set: section(&r.BlockIO, b)(one(&b.Weight, pointer(number[uint16](10, 1000, "from 10 to 1000"))))},
	}
}

// section is for the flags of a section of the configuration. The first of these flags makes the section.
func section[T any](to **T, value *T) func(set func(string) error) func(string) error {
	return func(set func(string) error) func(string) error {
		return func(text string) error {
			*to = value
			return set(text)
		}
	}
}
