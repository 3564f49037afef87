//go:build linux

package spec

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// written is what is left of a template that has been in a file, and is accepted.
func written(t *testing.T, rootless bool) *specs.Spec {
	t.Helper()
	template := Template(rootless, 1000, 1001)
	text, err := json.Marshal(template)
	require.NoError(t, err)
	spec, err := Load(bytes.NewReader(text))
	require.NoError(t, err)
	require.NoError(t, Validate(spec))
	return spec
}

func kinds(spec *specs.Spec) []specs.LinuxNamespaceType {
	var list []specs.LinuxNamespaceType
	for _, n := range spec.Linux.Namespaces {
		list = append(list, n.Type)
	}
	slices.Sort(list)
	return list
}

func mountOn(t *testing.T, spec *specs.Spec, destination string) specs.Mount {
	t.Helper()
	i := slices.IndexFunc(spec.Mounts, func(m specs.Mount) bool { return m.Destination == destination })
	require.GreaterOrEqual(t, i, 0, destination)
	return spec.Mounts[i]
}

func TestTemplate(t *testing.T) {
	spec := written(t, false)
	assert.Equal(t, "1.3.0", spec.Version)
	assert.Equal(t, &specs.Root{Path: "rootfs", Readonly: true}, spec.Root)
	assert.Equal(t, []string{"sh"}, spec.Process.Args)
	assert.True(t, spec.Process.Terminal)
	assert.True(t, spec.Process.NoNewPrivileges)
	assert.Empty(t, spec.Process.Rlimits)
	for _, set := range [][]string{spec.Process.Capabilities.Bounding, spec.Process.Capabilities.Permitted, spec.Process.Capabilities.Effective} {
		assert.ElementsMatch(t, []string{"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"}, set)
	}
	assert.Empty(t, spec.Process.Capabilities.Ambient)
	assert.Equal(t, []specs.LinuxNamespaceType{"cgroup", "ipc", "mount", "network", "pid", "uts"}, kinds(spec))
	assert.Nil(t, spec.Linux.Seccomp)
	assert.Equal(t, []specs.LinuxDeviceCgroup{{Access: "rwm"}}, spec.Linux.Resources.Devices)
	assert.Contains(t, spec.Linux.MaskedPaths, "/proc/kcore")
	assert.Contains(t, spec.Linux.ReadonlyPaths, "/proc/sys")
	assert.Equal(t, "sysfs", mountOn(t, spec, "/sys").Type)
	assert.Contains(t, mountOn(t, spec, "/dev/pts").Options, "gid=5")
}

func TestTemplateRootless(t *testing.T) {
	spec := written(t, true)
	assert.Equal(t, []specs.LinuxNamespaceType{"cgroup", "ipc", "mount", "pid", "user", "uts"}, kinds(spec))
	assert.Equal(t, []specs.LinuxIDMapping{{ContainerID: 0, HostID: 1000, Size: 1}}, spec.Linux.UIDMappings)
	assert.Equal(t, []specs.LinuxIDMapping{{ContainerID: 0, HostID: 1001, Size: 1}}, spec.Linux.GIDMappings)
	assert.Nil(t, spec.Linux.Resources)
	sys := mountOn(t, spec, "/sys")
	assert.Equal(t, "/sys", sys.Source)
	assert.Contains(t, sys.Options, "rbind")
	assert.Contains(t, sys.Options, "rro")
	assert.NotContains(t, mountOn(t, spec, "/dev/pts").Options, "gid=5")
	// Who has had one keeps nothing of it in the next.
	assert.Contains(t, mountOn(t, Template(false, 0, 0), "/dev/pts").Options, "gid=5")
}
