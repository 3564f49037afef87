//go:build linux

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	specsfeatures "github.com/opencontainers/runtime-spec/specs-go/features"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/final/rootfs"
	"container-workshop/final/spec"
)

func TestSpecWritesAConfigurationThatIsAccepted(t *testing.T) {
	for _, flags := range [][]string{nil, {"--rootless"}} {
		bundle := t.TempDir()
		r := final(t, append([]string{"spec", "--bundle", bundle}, flags...)...)
		require.Equal(t, result{}, r)
		name := filepath.Join(bundle, "config.json")
		file, err := os.Open(name)
		require.NoError(t, err)
		defer file.Close()
		config, err := spec.Load(file)
		require.NoError(t, err)
		require.NoError(t, spec.Validate(config))
		assert.Equal(t, flags != nil, len(config.Linux.UIDMappings) > 0)

		// One that is there is somebody's work.
		require.NoError(t, os.WriteFile(name, []byte("mine"), 0o600))
		r = final(t, "spec", "-b", bundle)
		assert.NotEqual(t, 0, r.status)
		assert.Contains(t, r.stderr, name+": already exists")
		assert.Equal(t, 1, strings.Count(r.stderr, "\n"))
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		assert.Equal(t, "mine", string(text))
	}
	r := final(t, "spec", "--bundle", filepath.Join(t.TempDir(), "missing"))
	assert.NotEqual(t, 0, r.status)
	assert.Contains(t, r.stderr, "no such file or directory")
}

// What features names is accepted, and what it does not name is refused.
func TestFeaturesTellTheTruth(t *testing.T) {
	r := final(t, "features")
	require.Equal(t, 0, r.status, r.stderr)
	var told specsfeatures.Features
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &told))
	accepts := func(change func(*specs.Spec)) error {
		config := spec.Template(false, 0, 0)
		config.Linux.Resources = nil
		change(config)
		return spec.Validate(config)
	}
	for _, version := range []string{told.OCIVersionMin, told.OCIVersionMax} {
		assert.NoError(t, accepts(func(c *specs.Spec) { c.Version = version }))
	}
	assert.Equal(t, spec.HookNames(), told.Hooks)
	for _, word := range told.MountOptions {
		_, err := rootfs.ParseOptions([]string{"bind", word})
		assert.NoError(t, err, word)
	}
	for _, kind := range []specs.LinuxNamespaceType{"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts", "other"} {
		err := accepts(func(c *specs.Spec) {
			c.Hostname = ""
			c.Linux.Namespaces = []specs.LinuxNamespace{{Type: kind, Path: "/proc/1/ns/x"}}
			if kind != specs.MountNamespace {
				c.Linux.Namespaces = append(c.Linux.Namespaces, specs.LinuxNamespace{Type: specs.MountNamespace})
			}
		})
		assert.Equal(t, err == nil, slices.Contains(told.Linux.Namespaces, string(kind)), kind)
	}
	assert.Equal(t, accepts(func(c *specs.Spec) { c.Linux.IntelRdt = &specs.LinuxIntelRdt{} }) == nil, *told.Linux.IntelRdt.Enabled)
	netDevices := map[string]specs.LinuxNetDevice{"eth0": {}}
	assert.Equal(t, accepts(func(c *specs.Spec) { c.Linux.NetDevices = netDevices }) == nil, *told.Linux.NetDevices.Enabled)
	for _, mode := range told.Linux.MemoryPolicy.Modes {
		err := accepts(func(c *specs.Spec) {
			c.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MemoryPolicyModeType(mode), Nodes: "0"}
		})
		assert.Equal(t, err == nil, mode != "MPOL_DEFAULT" && mode != "MPOL_LOCAL", mode)
	}
	for _, flag := range told.Linux.MemoryPolicy.Flags {
		assert.NoError(t, accepts(func(c *specs.Spec) {
			c.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolDefault, Flags: []specs.MemoryPolicyFlagType{specs.MemoryPolicyFlagType(flag)}}
		}))
	}
	assert.Equal(t, [2]int{7, 3}, [2]int{len(told.Linux.MemoryPolicy.Modes), len(told.Linux.MemoryPolicy.Flags)})
	assert.Equal(t, accepts(func(c *specs.Spec) { c.Process.ApparmorProfile = "x" }) == nil, *told.Linux.Apparmor.Enabled)
	assert.Equal(t, accepts(func(c *specs.Spec) { c.Process.SelinuxLabel = "x" }) == nil, *told.Linux.Selinux.Enabled)
	// See TestSystemdLimitsRunOfAUser.
	assert.True(t, *told.Linux.Cgroup.SystemdUser)
	assert.Subset(t, told.Linux.Seccomp.KnownFlags, told.Linux.Seccomp.SupportedFlags)
	assert.Contains(t, told.Linux.Seccomp.Actions, "SCMP_ACT_NOTIFY")
	assert.Contains(t, told.Linux.Capabilities, "CAP_CHECKPOINT_RESTORE")
	// No annotation of a configuration has an effect.
	assert.Empty(t, told.PotentiallyUnsafeConfigAnnotations)
}
