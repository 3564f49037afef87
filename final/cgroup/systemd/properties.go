//go:build linux

package systemd

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"
	"strings"

	"container-workshop/final/spec"
)

// Write is a value for a file of a cgroup.
type Write struct {
	Version     int
	File, Value string
}

// names returns, for each version, the files that systemd writes too, and the properties that systemd writes there.
// systemd.resource-control(5)
func names() [3]map[string]string {
	return [3]map[string]string{
		1: {
			"memory.limit_in_bytes": "MemoryLimit", "cpu.shares": "CPUShares", "blkio.weight": "BlockIOWeight", "pids.max": "TasksMax",
		},
		2: {
			"memory.min": "MemoryMin", "memory.low": "MemoryLow", "memory.high": "MemoryHigh", "memory.max": "MemoryMax",
			"memory.swap.max": "MemorySwapMax", "cpu.weight": "CPUWeight", "cpuset.cpus": "AllowedCPUs", "cpuset.mems": "AllowedMemoryNodes",
			"io.weight": "IOWeight", "pids.max": "TasksMax",
		},
	}
}

// Properties returns the properties that stand for the writes. now returns what a file holds before the writes, or "".
//
// A value that makes no sense has no property: the kernel refuses the write.
func Properties(writes []Write, now func(file string) string) []Property {
	var properties []Property
	names := names()
	for _, w := range writes {
		name, known := names[w.Version][w.File]
		if !known {
			continue
		}
		if strings.HasPrefix(w.File, "cpuset.") {
			if bits := bitsOf(w.Value); bits != nil {
				properties = append(properties, value(name, bits))
			}
		} else if n, err := limitOf(strings.TrimPrefix(w.Value, "default ")); err == nil {
			properties = append(properties, value(name, n))
		}
	}
	return append(properties, quotaOf(writes, now)...)
}

// quotaOf returns the two properties for the quota of processor time. systemd takes them together, and version 1 has a file for each, so
// a property may have to come from the file.
func quotaOf(writes []Write, now func(file string) string) []Property {
	quota, period := int64(-1), int64(100000)
	take := func(file, text string) bool {
		into := map[string][]*int64{"cpu.cfs_quota_us": {&quota}, "cpu.cfs_period_us": {&period}, "cpu.max": {&quota, &period}}[file]
		for i, word := range strings.Fields(text) {
			if i < len(into) {
				n, err := strconv.ParseInt(word, 10, 64)
				if err != nil {
					n = -1
				}
				*into[i] = n
			}
		}
		return into != nil
	}
	for _, file := range []string{"cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.max"} {
		take(file, now(file))
	}
	isSet := false
	for _, w := range writes {
		isSet = take(w.File, w.Value) || isSet
	}
	if !isSet || period <= 0 {
		return nil
	}
	perSecond := uint64(math.MaxUint64)
	if quota > 0 {
		// systemd keeps whole percents. The caller then writes the exact quota to the file.
		percent := math.Ceil(float64(quota) * 100 / float64(period))
		perSecond = uint64(percent) * 10000
	}
	return []Property{value("CPUQuotaPerSecUSec", perSecond), value("CPUQuotaPeriodUSec", uint64(period))}
}

// limitOf returns the largest number for no limit.
func limitOf(text string) (uint64, error) {
	if text == "max" || text == "-1" {
		return math.MaxUint64, nil
	}
	return strconv.ParseUint(text, 10, 64)
}

// bitsOf returns the bytes of a list such as 0-3,7: systemd wants bit n of the mask in bit n%8 of byte n/8. A list that makes no sense has no
// bytes. cpuset(7)
func bitsOf(list string) []byte {
	mask, err := spec.CPUs(list)
	if err != nil {
		return nil
	}
	var bits []byte
	for _, word := range mask {
		bits = binary.LittleEndian.AppendUint64(bits, word)
	}
	return bytes.TrimRight(bits, "\x00")
}
