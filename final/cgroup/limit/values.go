//go:build linux

package limit

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// The functions below turn a field of the configuration into the values for a file. They return nil for a field that is not set.

type resources = specs.LinuxResources

type integer interface {
	int64 | uint64 | uint32 | uint16
}

// IsSet reports whether there is a number other than zero. Engines write zero for a limit that they do not set.
func IsSet[T integer](p *T) bool { return p != nil && *p != 0 }

// number writes a number, even zero.
func number[T integer](p *T) []string {
	if p == nil {
		return nil
	}
	return []string{fmt.Sprint(*p)}
}

func nonzero[T integer](p *T) []string {
	if !IsSet(p) {
		return nil
	}
	return number(p)
}

// unless writes a number other than zero and other than without.
func unless[T integer](without T, p *T) []string {
	if p != nil && *p == without {
		return nil
	}
	return nonzero(p)
}

// nonzeroOrMax writes "max" for no limit, as version 2 does, and version 1 for pids.
func nonzeroOrMax(p *int64) []string {
	if p != nil && *p == -1 {
		return []string{"max"}
	}
	return nonzero(p)
}

// pidsMax writes 1 for a limit of 0. Process 1 already exists, so both limits stop every fork. systemd does not take 0, and other
// runtimes also write 1.
func pidsMax(p *specs.LinuxPids) []string {
	if p.Limit != nil && *p.Limit == 0 {
		return []string{"1"}
	}
	return nonzeroOrMax(p.Limit)
}

func text(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func flag(p *bool) []string {
	if p == nil {
		return nil
	}
	return []string{map[bool]string{false: "0", true: "1"}[*p]}
}

// flagIf writes a flag that has this value.
func flagIf(value bool, p *bool) []string {
	if p == nil || *p != value {
		return nil
	}
	return flag(p)
}

// swappiness is unsigned in the configuration, but some engines write -1 for "not set".
func swappiness(m *specs.LinuxMemory) []string {
	if m.Swappiness != nil && *m.Swappiness == math.MaxUint64 {
		return nil
	}
	return number(m.Swappiness)
}

// quotaAndPeriod writes one value, as version 2 has one file for both. Without a period in the value, the kernel keeps the period.
func quotaAndPeriod(cpu *specs.LinuxCPU) []string {
	if !IsSet(cpu.Quota) && !IsSet(cpu.Period) {
		return nil
	}
	value := "max"
	if IsSet(cpu.Quota) && *cpu.Quota > 0 {
		value = fmt.Sprint(*cpu.Quota)
	}
	if IsSet(cpu.Period) {
		value += fmt.Sprintf(" %d", *cpu.Period)
	}
	return []string{value}
}

// narrow keeps the range of the configuration, 10 to 1000, which BFQ has too.
func narrow(weight uint16) uint16 { return weight }

// wide maps 10 to 1000 to the range of io.weight, 1 to 10000.
func wide(weight uint16) uint16 { return uint16(1 + (uint32(weight)-10)*9999/990) }

func ioWeight(b *specs.LinuxBlockIO) []string {
	if !IsSet(b.Weight) {
		return nil
	}
	return []string{fmt.Sprintf("default %d", wide(*b.Weight))}
}

func weight(d specs.LinuxWeightDevice) *uint16     { return d.Weight }
func leafWeight(d specs.LinuxWeightDevice) *uint16 { return d.LeafWeight }

func deviceWeights(b *specs.LinuxBlockIO, field func(specs.LinuxWeightDevice) *uint16, scale func(uint16) uint16) []string {
	var lines []string
	for _, d := range b.WeightDevice {
		if w := field(d); IsSet(w) {
			lines = append(lines, fmt.Sprintf("%d:%d %d", d.Major, d.Minor, scale(*w)))
		}
	}
	return lines
}

// throttles writes a line for each device. Version 2 has a key before the rate, and "max" for no limit, where version 1 has 0.
func throttles(devices []specs.LinuxThrottleDevice, key string) []string {
	var lines []string
	for _, d := range devices {
		rate := fmt.Sprint(d.Rate)
		if key != "" && d.Rate == 0 {
			rate = "max"
		}
		lines = append(lines, fmt.Sprintf("%d:%d %s%s", d.Major, d.Minor, key, rate))
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
		line, limit := device, r.Rdma[device]
		if limit.HcaHandles != nil {
			line += fmt.Sprintf(" hca_handle=%d", *limit.HcaHandles)
		}
		if limit.HcaObjects != nil {
			line += fmt.Sprintf(" hca_object=%d", *limit.HcaObjects)
		}
		lines = append(lines, line)
	}
	return lines
}
