//go:build linux

package main

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// policyOfMemory shows the policy of the process itself. Its first mapping has no other. numa(7)
const policyOfMemory = "busybox head -n 1 /proc/self/numa_maps | cut -d ' ' -f 2-3"

func TestTheMemoryPolicyOfAContainer(t *testing.T) {
	for _, turn := range []struct {
		policy specs.LinuxMemoryPolicy
		want   string
	}{
		{specs.LinuxMemoryPolicy{Mode: specs.MpolDefault}, "default file="},
		{specs.LinuxMemoryPolicy{Mode: specs.MpolLocal}, "local file="},
		{specs.LinuxMemoryPolicy{Mode: specs.MpolInterleave, Nodes: "0"}, "interleave:0 file="},
		// A node that the kernel has not is left out as long as there is another.
		{specs.LinuxMemoryPolicy{Mode: specs.MpolInterleave, Nodes: "0-1"}, "interleave:0"},
		{specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "0", Flags: []specs.MemoryPolicyFlagType{specs.MpolFStaticNodes}}, "bind=static:0 file="},
		{specs.LinuxMemoryPolicy{Mode: specs.MpolPreferred, Nodes: "0", Flags: []specs.MemoryPolicyFlagType{specs.MpolFRelativeNodes}}, "prefer=relative:0 file="},
		{specs.LinuxMemoryPolicy{Mode: specs.MpolPreferredMany, Nodes: "0"}, "prefer (many):0"},
	} {
		c := newBundle(t)
		c.spec.Linux.MemoryPolicy = &turn.policy
		assert.Contains(t, c.says(policyOfMemory), turn.want)
		// What joins the container is started by us, and not by its first process.
		c.stays()
		assert.Contains(t, c.exec(policyOfMemory), turn.want)
	}
	c := newBundle(t)
	c.userNamespace()
	c.spec.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "0"}
	assert.Contains(t, c.says(policyOfMemory), "bind:0 file=")
}

func TestAMemoryPolicyThatTheKernelRefusesIsAFailure(t *testing.T) {
	for _, policy := range []specs.LinuxMemoryPolicy{
		{Mode: specs.MpolBind, Nodes: "1023"},
		{Mode: specs.MpolLocal, Flags: []specs.MemoryPolicyFlagType{specs.MpolFStaticNodes}},
	} {
		c := newBundle(t, "true")
		c.spec.Linux.MemoryPolicy = &policy
		refused(t, c.run(), failure("run"), "linux.memoryPolicy: set_mempolicy("+string(policy.Mode), "invalid argument", "has_memory")
		c.nothingLeft()
	}
	c := newBundle(t, "true")
	c.spec.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolDefault, Nodes: "0-7"}
	refused(t, c.run(), failure("run"), "linux.memoryPolicy.nodes", "mode requires 0 nodes but got 8")
	require.Empty(t, c.left())
}
