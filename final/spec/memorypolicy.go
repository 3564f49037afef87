//go:build linux

package spec

import (
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// maxNodes is how many memory nodes a kernel can have: CONFIG_NODES_SHIFT is never above 10.
const maxNodes = 1024

var memoryModes = vocabulary[specs.MemoryPolicyModeType]{
	{specs.MpolDefault, unix.MPOL_DEFAULT},
	{specs.MpolBind, unix.MPOL_BIND},
	{specs.MpolInterleave, unix.MPOL_INTERLEAVE},
	{specs.MpolWeightedInterleave, unix.MPOL_WEIGHTED_INTERLEAVE},
	{specs.MpolPreferred, unix.MPOL_PREFERRED},
	{specs.MpolPreferredMany, unix.MPOL_PREFERRED_MANY},
	{specs.MpolLocal, unix.MPOL_LOCAL},
}

var memoryFlags = vocabulary[specs.MemoryPolicyFlagType]{
	{specs.MpolFNumaBalancing, unix.MPOL_F_NUMA_BALANCING},
	{specs.MpolFRelativeNodes, unix.MPOL_F_RELATIVE_NODES},
	{specs.MpolFStaticNodes, unix.MPOL_F_STATIC_NODES},
}

// MemoryPolicyModes returns the names of the modes that [MemoryPolicy] knows.
func MemoryPolicyModes() []string { return memoryModes.names() }

// MemoryPolicyFlags returns the names of the flags that [MemoryPolicy] knows.
func MemoryPolicyFlags() []string { return memoryFlags.names() }

// MemoryPolicy returns what set_mempolicy(2) wants for a policy: the mode with its flags, and a bit for each node. The kernel says
// whether the host has the nodes, and whether a flag goes with the mode. An error starts behind "linux.memoryPolicy.".
func MemoryPolicy(policy *specs.LinuxMemoryPolicy) (mode int, nodes []uint64, err error) {
	v := new(verdict)
	number, known := memoryModes.find(policy.Mode)
	v.refuse(!known, "mode: %q: invalid memory policy mode: must be one of %s", policy.Mode, strings.Join(MemoryPolicyModes(), ", "))
	mode = number
	for i, name := range policy.Flags {
		flag, known := memoryFlags.find(name)
		v.refuse(!known, "flags[%d]: %q: invalid memory policy flag: must be one of %s", i, name, strings.Join(MemoryPolicyFlags(), ", "))
		mode |= flag
	}
	const both = unix.MPOL_F_STATIC_NODES | unix.MPOL_F_RELATIVE_NODES
	v.refuse(mode&both == both, "flags: MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other: leave one of them out")

	nodes, count := make([]uint64, maxNodes/64), 0
	if strings.TrimSpace(policy.Nodes) != "" {
		nodes, count, err = parseList("memory policy nodes", policy.Nodes, maxNodes)
		v.check("nodes", err)
	}
	none := []int{unix.MPOL_DEFAULT, unix.MPOL_LOCAL}
	// Without nodes, MPOL_PREFERRED prefers the node of the processor.
	optional := append(none, unix.MPOL_PREFERRED)
	v.refuse(count > 0 && slices.Contains(none, number), "nodes: %q: this memory policy mode requires 0 nodes but got %d: leave nodes out for %s",
		policy.Nodes, count, policy.Mode)
	v.refuse(count == 0 && !slices.Contains(optional, number), "nodes: missing: %s needs at least one node, such as 0", policy.Mode)
	return mode, nodes, v.err
}

func (v *verdict) memoryPolicy(policy *specs.LinuxMemoryPolicy) {
	if policy != nil {
		_, _, err := MemoryPolicy(policy)
		v.refuse(err != nil, "linux.memoryPolicy.%w", err)
	}
}
