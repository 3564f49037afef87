//go:build linux

package cgroup

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// integer is what the fields of the configuration are made of.
type integer interface {
	int64 | uint64 | uint32 | uint16
}

// isSet reports whether there is a number other than zero.
func isSet[T integer](p *T) bool { return p != nil && *p != 0 }

// number writes a number as it is. Zero counts.
func number[T integer](p *T) []string {
	if p == nil {
		return nil
	}
	return []string{fmt.Sprint(*p)}
}

// unlessZero writes a number as it is, unless it is zero, which callers set where they mean nothing at all.
func unlessZero[T integer](p *T) []string {
	if !isSet(p) {
		return nil
	}
	return number(p)
}

// orMax writes a limit the way of version 2, and of pids on both: max for none.
func orMax(p *int64) []string {
	if p != nil && *p == -1 {
		return []string{"max"}
	}
	return number(p)
}

func orMaxUnlessZero(p *int64) []string {
	if !isSet(p) {
		return nil
	}
	return orMax(p)
}

// unlessNoLimit is for a limit that cannot be set, which only matters if there is one.
func unlessNoLimit(p *int64) []string {
	if p != nil && *p == -1 {
		return nil
	}
	return unlessZero(p)
}

func text(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func flag(p *bool) []string {
	switch {
	case p == nil:
		return nil
	case *p:
		return []string{"1"}
	}
	return []string{"0"}
}

// flagIf is for a flag of which only one value makes a difference.
func flagIf(p *bool, value bool) []string {
	if p == nil || *p != value {
		return nil
	}
	return flag(p)
}

func always(*resources) bool { return true }

// memoryAndSwap returns the limit on both together. No limit on memory is meant as no limit on swap either, unless that is set.
func memoryAndSwap(m *specs.LinuxMemory) *int64 {
	if !isSet(m.Swap) && m.Limit != nil && *m.Limit == -1 {
		return m.Limit
	}
	return m.Swap
}

// memoryOfTCP returns the limit on what sockets keep for the other end to read. Version 1 does not count that as memory, so it has the
// same limit again, unless it has one of its own. cgroup-v1/memory.rst, "Current Kernel Memory resources accounted"
func memoryOfTCP(m *specs.LinuxMemory) *int64 {
	if !isSet(m.KernelTCP) {
		return m.Limit
	}
	return m.KernelTCP
}

// pidsMax writes 1 for a limit of 0, which has the same effect: process 1 is there already, and cannot fork another. systemd
// takes no 0, and other runtimes write 1 as well.
func pidsMax(p *specs.LinuxPids) []string {
	if p.Limit != nil && *p.Limit == 0 {
		return []string{"1"}
	}
	return orMax(p.Limit)
}

// swapOnly returns what version 2 wants: the limit on swap alone. The configuration has that on memory and swap together.
func swapOnly(m *specs.LinuxMemory) []string {
	both := memoryAndSwap(m)
	if !isSet(both) || *both == -1 || !isSet(m.Limit) {
		return orMaxUnlessZero(both)
	}
	return []string{fmt.Sprint(*both - *m.Limit)}
}

// noSwapOrAny is what a kernel that does not count swap need not be told.
func noSwapOrAny(r *resources) bool {
	both := memoryAndSwap(r.Memory)
	return both != nil && (*both == -1 || r.Memory.Limit != nil && *both == *r.Memory.Limit)
}

// swappiness is unsigned in the configuration, but some callers write -1 for "not set" there.
func swappiness(m *specs.LinuxMemory) []string {
	if m.Swappiness != nil && *m.Swappiness == math.MaxUint64 {
		return nil
	}
	return number(m.Swappiness)
}

// cpuWeight turns shares, 2 to 262144 with 1024 for a normal cgroup, into a weight, 1 to 10000 with 100 for a normal cgroup.
// The curve goes through these three points, which a straight line cannot: it is a parabola in the logarithms of both.
// runc and crun have had the same since 2025. cgroup-v2.rst, "cpu.weight"
func cpuWeight(cpu *specs.LinuxCPU) []string {
	if !isSet(cpu.Shares) {
		return nil
	}
	shares := min(max(*cpu.Shares, 2), 262144)
	x := math.Log2(float64(shares))
	y := (x*x+125*x)/612 - 7.0/34
	// A hair above a whole number is rounding, not a reason to round up.
	weight := math.Ceil(math.Pow(10, y) - 1e-9)
	return []string{strconv.Itoa(int(weight))}
}

// quotaAndPeriod is one value in version 2. The kernel keeps the period that there is if none is given.
func quotaAndPeriod(cpu *specs.LinuxCPU) []string {
	if !isSet(cpu.Quota) && !isSet(cpu.Period) {
		return nil
	}
	value := "max"
	if isSet(cpu.Quota) && *cpu.Quota > 0 {
		value = fmt.Sprint(*cpu.Quota)
	}
	if isSet(cpu.Period) {
		value += fmt.Sprintf(" %d", *cpu.Period)
	}
	return []string{value}
}

// sameWeight is for BFQ, which has kept the range of the configuration, 10 to 1000.
func sameWeight(weight uint16) uint16 { return weight }

// wideWeight maps the weights 10 to 1000 to 1 to 10000, the range of io.weight.
func wideWeight(weight uint16) uint16 { return uint16(1 + (uint32(weight)-10)*9999/990) }

func ioWeight(b *specs.LinuxBlockIO) []string {
	if !isSet(b.Weight) {
		return nil
	}
	return []string{fmt.Sprintf("default %d", wideWeight(*b.Weight))}
}

func weight(d specs.LinuxWeightDevice) *uint16     { return d.Weight }
func leafWeight(d specs.LinuxWeightDevice) *uint16 { return d.LeafWeight }

func deviceWeights(b *specs.LinuxBlockIO, field func(specs.LinuxWeightDevice) *uint16, scale func(uint16) uint16) []string {
	var lines []string
	for _, d := range b.WeightDevice {
		if w := field(d); isSet(w) {
			lines = append(lines, fmt.Sprintf("%d:%d %d", d.Major, d.Minor, scale(*w)))
		}
	}
	return lines
}

func priorities(n *specs.LinuxNetwork) []string {
	var lines []string
	for _, p := range n.Priorities {
		lines = append(lines, fmt.Sprintf("%s %d", p.Name, p.Priority))
	}
	return lines
}

func rdma(r *resources) []string {
	var lines []string
	for _, device := range slices.Sorted(maps.Keys(r.Rdma)) {
		line := device
		if limit := r.Rdma[device]; limit.HcaHandles != nil {
			line += fmt.Sprintf(" hca_handle=%d", *limit.HcaHandles)
		}
		if limit := r.Rdma[device]; limit.HcaObjects != nil {
			line += fmt.Sprintf(" hca_object=%d", *limit.HcaObjects)
		}
		lines = append(lines, line)
	}
	return lines
}
