//go:build linux

package limit

import (
	"fmt"
	"math"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Check refuses values that make no sense in any version. The kernel would answer with a bare EINVAL, or ignore them.
func Check(r *specs.LinuxResources) error {
	r = complete(*r)
	m, cpu := r.Memory, r.CPU
	for _, n := range []struct {
		field string
		value *int64
	}{
		{"memory.limit", m.Limit}, {"memory.swap", m.Swap}, {"memory.reservation", m.Reservation}, {"memory.kernelTCP", m.KernelTCP},
		{"cpu.quota", cpu.Quota}, {"pids.limit", r.Pids.Limit},
	} {
		if n.value != nil && *n.value < -1 {
			return Refuse(n.field, "%d: must be at least -1, which means no limit", *n.value)
		}
	}
	for _, list := range [][2]string{{"cpu.cpus", cpu.Cpus}, {"cpu.mems", cpu.Mems}} {
		if strings.Trim(list[1], "0123456789,-") != "" {
			return Refuse(list[0], "%q: must be a list such as 0-3,7", list[1])
		}
	}
	hasSwap := IsSet(m.Swap) && *m.Swap != -1
	switch {
	case hasSwap && IsSet(m.Limit) && *m.Swap < *m.Limit:
		return Refuse("memory.swap", "%d: must be at least memory.limit, %d, because it counts memory and swap together", *m.Swap, *m.Limit)
	case hasSwap && m.Limit != nil && *m.Limit == -1:
		return Refuse("memory.swap", "%d: needs a memory.limit, because it counts memory and swap together", *m.Swap)
	case m.Swappiness != nil && *m.Swappiness > 100 && *m.Swappiness != math.MaxUint64:
		return Refuse("memory.swappiness", "%d: must be at most 100", *m.Swappiness)
	case cpu.Burst != nil && IsSet(cpu.Quota) && *cpu.Quota > 0 && *cpu.Burst > uint64(*cpu.Quota):
		return Refuse("cpu.burst", "%d: must be at most cpu.quota, %d", *cpu.Burst, *cpu.Quota)
	}
	weights := []*uint16{r.BlockIO.Weight, r.BlockIO.LeafWeight}
	for _, d := range r.BlockIO.WeightDevice {
		weights = append(weights, d.Weight, d.LeafWeight)
	}
	for _, w := range weights {
		if IsSet(w) && (*w < 10 || *w > 1000) {
			return Refuse("blockIO", "weight %d: must be from 10 to 1000", *w)
		}
	}
	return checkNames(r)
}

// checkNames refuses names that would lead to another file, or to another line of a file.
func checkNames(r *resources) error {
	for _, h := range r.HugepageLimits {
		size, isSize := strings.CutSuffix(h.Pagesize, "B")
		if !isSize || strings.Trim(size, "0123456789KMG") != "" {
			return Refuse("hugepageLimits", "page size %q: must be a size such as 2MB", h.Pagesize)
		}
	}
	for _, p := range r.Network.Priorities {
		if p.Name == "" || strings.ContainsAny(p.Name, " \n") {
			return Refuse("network.priorities", "%q is not the name of a network interface", p.Name)
		}
	}
	for name, limit := range r.Rdma {
		if name == "" || strings.ContainsAny(name, " \n") {
			return Refuse("rdma", "%q is not the name of a device", name)
		}
		if limit.HcaHandles == nil && limit.HcaObjects == nil {
			return Refuse("rdma", "%s needs hcaHandles, hcaObjects or both", name)
		}
	}
	for key := range r.Unified {
		if strings.Contains(key, "/") || !strings.Contains(key, ".") {
			return Refuse("unified", "%q: must be the name of a cgroup file, such as memory.high", key)
		}
	}
	return nil
}

// Refuse returns an error about a field below linux.resources.
func Refuse(field, format string, args ...any) error {
	return fmt.Errorf("linux.resources.%s: %w", field, fmt.Errorf(format, args...))
}
