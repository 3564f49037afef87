//go:build linux

package cgroup

import (
	"math"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/godbus/dbus/v5"
)

// unitLimits are the files that systemd writes too, from properties. systemd.resource-control(5)
var unitLimits = []struct {
	version        int
	file, property string
	// value turns what is written to the file into what the property is. Nothing is what the kernel has to refuse.
	value func(string) any
}{
	{1, "memory.limit_in_bytes", "MemoryLimit", limitOf},
	{1, "cpu.shares", "CPUShares", limitOf},
	{1, "blkio.weight", "BlockIOWeight", limitOf},
	{1, "pids.max", "TasksMax", limitOf},

	{2, "memory.min", "MemoryMin", limitOf},
	{2, "memory.low", "MemoryLow", limitOf},
	{2, "memory.high", "MemoryHigh", limitOf},
	{2, "memory.max", "MemoryMax", limitOf},
	{2, "memory.swap.max", "MemorySwapMax", limitOf},
	{2, "cpu.weight", "CPUWeight", limitOf},
	{2, "cpuset.cpus", "AllowedCPUs", bitsOf},
	{2, "cpuset.mems", "AllowedMemoryNodes", bitsOf},
	{2, "io.weight", "IOWeight", func(value string) any { return limitOf(strings.TrimPrefix(value, "default ")) }},
	{2, "pids.max", "TasksMax", limitOf},
}

// properties returns what systemd has to know of the settings.
func (c *Cgroup) properties(settings []setting) []property {
	var properties []property
	for _, s := range settings {
		// It may be the one that the kernel has instead.
		for choice := &s; choice != nil; choice = choice.instead {
			for _, l := range unitLimits {
				if l.version != choice.dir.Version || l.file != choice.file {
					continue
				}
				if value := l.value(choice.value); value != nil {
					properties = append(properties, property{l.property, dbus.MakeVariant(value)})
				}
			}
		}
	}
	return append(properties, c.quota(settings)...)
}

// quota is in microseconds for each second, and a period. They are two files of version 1, of which one may have been written
// before, and one of version 2.
func (c *Cgroup) quota(settings []setting) []property {
	quota, period, isSet := int64(-1), int64(100000), false
	if d := c.DirOf("cpu"); d != nil && d.Version == 1 {
		if n, err := readNumber(path.Join(d.Path, "cpu.cfs_quota_us")); err == nil {
			quota = n
		}
		if n, err := readNumber(path.Join(d.Path, "cpu.cfs_period_us")); err == nil {
			period = n
		}
	}
	if d := c.DirOf("cpu"); d != nil && d.Version == 2 {
		text, _ := os.ReadFile(path.Join(d.Path, "cpu.max"))
		if words := strings.Fields(string(text)); len(words) == 2 {
			period, _ = strconv.ParseInt(words[1], 10, 64)
		}
	}
	for _, s := range settings {
		words := strings.Fields(s.value)
		number := func(i int) int64 {
			n, err := strconv.ParseInt(words[i], 10, 64)
			if err != nil {
				return -1
			}
			return n
		}
		switch s.file {
		case "cpu.cfs_quota_us":
			quota, isSet = number(0), true
		case "cpu.cfs_period_us":
			period, isSet = number(0), true
		case "cpu.max":
			quota, isSet = number(0), true
			if len(words) > 1 {
				period = number(1)
			}
		}
	}
	if !isSet || period <= 0 {
		return nil
	}
	perSecond := uint64(math.MaxUint64)
	if quota > 0 {
		// systemd keeps it as a percentage. What is written to the file later is exact, until systemd has reason to write it.
		percent := math.Ceil(float64(quota) * 100 / float64(period))
		perSecond = uint64(percent) * 10000
	}
	return []property{
		{"CPUQuotaPerSecUSec", dbus.MakeVariant(perSecond)},
		{"CPUQuotaPeriodUSec", dbus.MakeVariant(uint64(period))},
	}
}

// limitOf returns a number, which is the greatest there is for no limit.
func limitOf(value string) any {
	if value == "max" || value == "-1" {
		return uint64(math.MaxUint64)
	}
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil {
		return nil
	}
	return n
}

// bitsOf turns a list such as 0-3,7 into bytes, of which the lowest bit of the first stands for 0. cpuset(7)
func bitsOf(list string) any {
	var bits []byte
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err := strconv.ParseUint(first, 10, 13)
		to, err2 := strconv.ParseUint(last, 10, 13)
		if err != nil || err2 != nil || from > to {
			return nil
		}
		for i := from; i <= to; i++ {
			if missing := int(i/8) + 1 - len(bits); missing > 0 {
				bits = slices.Concat(bits, make([]byte, missing))
			}
			bits[i/8] |= 1 << (i % 8)
		}
	}
	return bits
}
