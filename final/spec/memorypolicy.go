//go:build linux

package spec

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// maxNodes is how many memory nodes a kernel can have at most: CONFIG_NODES_SHIFT is never above 10.
const maxNodes = 1024

// memoryModes are the policies of set_mempolicy(2): as the configuration calls them, as the kernel does, and how many nodes go with them.
var memoryModes = []struct {
	name        specs.MemoryPolicyModeType
	number      int
	least, most int
}{
	{specs.MpolDefault, unix.MPOL_DEFAULT, 0, 0},
	{specs.MpolBind, unix.MPOL_BIND, 1, maxNodes},
	{specs.MpolInterleave, unix.MPOL_INTERLEAVE, 1, maxNodes},
	{specs.MpolWeightedInterleave, unix.MPOL_WEIGHTED_INTERLEAVE, 1, maxNodes},
	// Without nodes it prefers the node of the processor.
	{specs.MpolPreferred, unix.MPOL_PREFERRED, 0, maxNodes},
	{specs.MpolPreferredMany, unix.MPOL_PREFERRED_MANY, 1, maxNodes},
	{specs.MpolLocal, unix.MPOL_LOCAL, 0, 0},
}

var memoryFlags = []struct {
	name   specs.MemoryPolicyFlagType
	number int
}{
	{specs.MpolFNumaBalancing, unix.MPOL_F_NUMA_BALANCING},
	{specs.MpolFRelativeNodes, unix.MPOL_F_RELATIVE_NODES},
	{specs.MpolFStaticNodes, unix.MPOL_F_STATIC_NODES},
}

// MemoryPolicyModes returns the names of all modes that [MemoryPolicy] knows, and MemoryPolicyFlags those of all flags.
func MemoryPolicyModes() (names []string) {
	for _, mode := range memoryModes {
		names = append(names, string(mode.name))
	}
	return names
}

func MemoryPolicyFlags() (names []string) {
	for _, flag := range memoryFlags {
		names = append(names, string(flag.name))
	}
	return names
}

// A NodeMask has a bit for each memory node, the first in the first word.
type NodeMask [maxNodes / 64]uint64

// MemoryPolicy returns what set_mempolicy(2) wants for a policy: the mode, with its flags, and the nodes. Which nodes this host has,
// and which flags this kernel takes for a mode, is for the kernel to say.
func MemoryPolicy(policy *specs.LinuxMemoryPolicy) (mode int, nodes *NodeMask, err error) {
	i := slices.IndexFunc(MemoryPolicyModes(), func(name string) bool { return name == string(policy.Mode) })
	if i == -1 {
		return 0, nil, fmt.Errorf("mode: %q: invalid memory policy mode: must be one of %s", policy.Mode, strings.Join(MemoryPolicyModes(), ", "))
	}
	known := memoryModes[i]
	mode = known.number
	for i, name := range policy.Flags {
		f := slices.IndexFunc(MemoryPolicyFlags(), func(flag string) bool { return flag == string(name) })
		if f == -1 {
			return 0, nil, fmt.Errorf("flags[%d]: %q: invalid memory policy flag: must be one of %s", i, name, strings.Join(MemoryPolicyFlags(), ", "))
		}
		mode |= memoryFlags[f].number
	}
	const both = unix.MPOL_F_STATIC_NODES | unix.MPOL_F_RELATIVE_NODES
	if mode&both == both {
		return 0, nil, errors.New("flags: MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other: leave one of them out")
	}
	nodes, count, err := nodeMask(policy.Nodes)
	switch {
	case err != nil:
		return 0, nil, fmt.Errorf("nodes: %w", err)
	case count > known.most:
		return 0, nil, fmt.Errorf("nodes: %q: this memory policy mode requires %d nodes but got %d: leave nodes out for %s", policy.Nodes, known.most, count, policy.Mode)
	case count < known.least:
		return 0, nil, fmt.Errorf("nodes: missing: %s needs at least one node, such as 0", policy.Mode)
	}
	return mode, nodes, nil
}

// nodeMask reads a list of nodes and of ranges of them, and counts the nodes in it.
func nodeMask(list string) (mask *NodeMask, count int, err error) {
	mask = new(NodeMask)
	if strings.TrimSpace(list) == "" {
		return mask, 0, nil
	}
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			last = first
		}
		from, err1 := strconv.ParseUint(first, 10, 64)
		to, err2 := strconv.ParseUint(last, 10, 64)
		if err1 != nil || err2 != nil || from > to || to >= maxNodes {
			return nil, 0, fmt.Errorf("%q: invalid memory policy nodes: must be numbers below %d and ranges, such as 0-3,7", part, maxNodes)
		}
		for node := from; node <= to; node++ {
			if mask[node/64]&(1<<(node%64)) == 0 {
				mask[node/64] |= 1 << (node % 64)
				count++
			}
		}
	}
	return mask, count, nil
}

func checkMemoryPolicy(spec *specs.Spec) error {
	if spec.Linux.MemoryPolicy == nil {
		return nil
	}
	if _, _, err := MemoryPolicy(spec.Linux.MemoryPolicy); err != nil {
		return fmt.Errorf("linux.memoryPolicy.%w", err)
	}
	return nil
}
