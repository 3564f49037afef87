//go:build linux

package flags

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/pflag"
)

// AddUpdateFlags adds a flag to the set for each limit that update can set without a file. Only those that are given come into
// r. With a file, flags say nothing, as callers of runc expect: see [spec.LoadResources].
func AddUpdateFlags(set *pflag.FlagSet, r *specs.LinuxResources) {
	addFlags(set, updateFlags(r))
}

// updateFlags is the table, with the names that the callers of runc know.
func updateFlags(r *specs.LinuxResources) []*flag {
	m, c, p, b := new(specs.LinuxMemory), new(specs.LinuxCPU), new(specs.LinuxPids), new(specs.LinuxBlockIO)
	memory, cpu := section(&r.Memory, m), section(&r.CPU, c)
	return []*flag{
		{name: "memory", arg: "SIZE", about: "memory: bytes, or with k, m or g; -1 means no limit", set: memory(one(&m.Limit, pointer(parseLimit)))},
		{name: "memory-swap", arg: "SIZE", about: "memory and swap together; -1 means no limit", set: memory(one(&m.Swap, pointer(parseLimit)))},
		{name: "memory-reservation", arg: "SIZE", about: "memory that the container keeps when the host runs short;\n-1 means no limit", set: memory(one(&m.Reservation, pointer(parseLimit)))},
		{name: "kernel-memory", arg: "SIZE", about: "ignored: newer kernels have no such limit", set: ignore},
		{name: "kernel-memory-tcp", arg: "SIZE", about: "ignored: newer kernels have no such limit", set: ignore},
		{name: "pids-limit", arg: "N", about: "number of processes and threads; -1 means no limit", set: section(&r.Pids, p)(one(&p.Limit, pointer(parsePidsLimit)))},

		{name: "cpu-share", arg: "N", about: "weight for CPU time against other containers; 1024 is normal", set: cpu(one(&c.Shares, pointer(parseShares)))},
		{name: "cpu-quota", arg: "USEC", about: "CPU time in each period; -1 means no limit", set: cpu(one(&c.Quota, pointer(parseQuota)))},
		{name: "cpu-period", arg: "USEC", about: "length of a period", set: cpu(one(&c.Period, pointer(parseMicroseconds)))},
		{name: "cpu-burst", arg: "USEC", about: "unused CPU time that a later period may use", set: cpu(one(&c.Burst, pointer(parseMicroseconds)))},
		{name: "cpu-rt-period", arg: "USEC", about: "length of a period for realtime processes", set: cpu(one(&c.RealtimePeriod, pointer(parseMicroseconds)))},
		{name: "cpu-rt-runtime", arg: "USEC", about: "CPU time of realtime processes in each period;\n-1 means no limit", set: cpu(one(&c.RealtimeRuntime, pointer(parseQuota)))},
		{name: "cpu-idle", arg: "0|1", about: "1: run only when no other process wants the CPU", set: cpu(one(&c.Idle, pointer(parseIdle)))},
		{name: "cpuset-cpus", arg: "LIST", about: "processors that the container may use, such as 0-3,5", set: cpu(one(&c.Cpus, checkedCpuset))},
		{name: "cpuset-mems", arg: "LIST", about: "memory nodes that the container may use, such as 0", set: cpu(one(&c.Mems, checkedCpuset))},

		{name: "blkio-weight", arg: "N", about: "weight for disk input and output: 10 to 1000", set: section(&r.BlockIO, b)(one(&b.Weight, pointer(parseWeight)))},
	}
}

// section is for flags of a section of the configuration, which is there if one of them is.
func section[T any](to **T, value *T) func(set func(string) error) func(string) error {
	return func(set func(string) error) func(string) error {
		return func(text string) error {
			*to = value
			return set(text)
		}
	}
}

// ignore is for limits that the kernel no longer has. cgroups(7)
func ignore(string) error { return nil }

func parsePidsLimit(text string) (int64, error) {
	switch text {
	case "-1":
		return -1, nil
	case "0":
		// None but the first process, as with 1.
		return 0, nil
	}
	n, err := parsePids(text)
	if err != nil {
		err = fmt.Errorf("%w, 0 for process 1 alone, or -1 for no limit", err)
	}
	return n, err
}

func parseQuota(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < -1 {
		return 0, errors.New("must be a number of microseconds, or -1 for no limit")
	}
	return n, nil
}

func parseMicroseconds(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, errors.New("must be a number of microseconds")
	}
	return n, nil
}

func parseIdle(text string) (int64, error) {
	if text != "0" && text != "1" {
		return 0, errors.New("must be 0 or 1")
	}
	return int64(text[0] - '0'), nil
}

func parseWeight(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n < 10 || n > 1000 {
		return 0, errors.New("must be a number from 10 to 1000")
	}
	return uint16(n), nil
}
