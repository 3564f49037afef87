//go:build linux

package flags

import (
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/spec"
)

func last[T any](list []T) T { return list[len(list)-1] }

// rule writes a rule as TYPE MAJOR MINOR ACCESS ALLOW, with * for all.
func rule(r specs.LinuxDeviceCgroup) string {
	number := func(n *int64) string {
		if n == nil {
			return "*"
		}
		return fmt.Sprint(*n)
	}
	return fmt.Sprintf("%s %s %s %s %t", r.Type, number(r.Major), number(r.Minor), r.Access, r.Allow)
}

func TestDeviceRules(t *testing.T) {
	var rules []string
	for _, r := range configured(t).Linux.Resources.Devices {
		rules = append(rules, rule(r))
	}
	assert.Equal(t, []string{
		" * * rwm false", "c * * m true", "b * * m true",
		"c 1 3 rwm true", "c 1 5 rwm true", "c 1 7 rwm true", "c 1 8 rwm true", "c 1 9 rwm true",
		"c 5 0 rwm true", "c 5 2 rwm true", "c 136 * rwm true",
	}, rules)
}

func TestMountsAreInOrder(t *testing.T) {
	spec := configured(t, "-v", "/srv/data:/a/b/c", "--tmpfs", "/a/b", "-v", "./data:/a", "--tmpfs", "/z")
	assert.Equal(t, []string{"/a", "/z", "/a/b", "/a/b/c", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf"}, destinations(spec)[7:])
}

func TestTerminal(t *testing.T) {
	host := testHost()
	host.Terminal = true
	for flags, want := range map[string]bool{"": true, "-d": false, "-t=false": false, "-d -t": true} {
		spec, err := configure(host, strings.Fields(flags)...)
		require.NoError(t, err)
		assert.Equal(t, want, spec.Process.Terminal, flags)
		assert.Equal(t, want, last(spec.Process.Env) == "TERM=vt100", flags)
	}
	for _, found := range []bool{false, true} {
		host.LookupEnv = func(string) (string, bool) { return "", found }
		spec, err := configure(host)
		require.NoError(t, err)
		assert.Equal(t, "TERM=xterm", last(spec.Process.Env))
	}
}

func TestPrivileged(t *testing.T) {
	host := testHost()
	host.Devices = []specs.LinuxDevice{{Path: "/dev/kvm", Type: "c", Major: 10, Minor: 232}, {Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229}}
	config, err := configure(host, "--privileged", "--device", "/dev/sda:/dev/fuse:r")
	require.NoError(t, err)
	require.NoError(t, spec.Validate(config))
	assert.Empty(t, config.Linux.MaskedPaths)
	assert.Empty(t, config.Linux.ReadonlyPaths)
	assert.False(t, config.Process.NoNewPrivileges)
	assert.Contains(t, mount(config, "/sys"), "rw")
	assert.Contains(t, mount(config, "/sys/fs/cgroup"), "rw")
	assert.NotContains(t, mount(config, "/sys/fs/cgroup"), "ro")
	assert.Equal(t, " * * rwm true", rule(config.Linux.Resources.Devices[0]))
	require.Len(t, config.Linux.Devices, 2)
	assert.Equal(t, "/dev/kvm", config.Linux.Devices[0].Path)
	assert.Equal(t, "b", config.Linux.Devices[1].Type, "--device takes the place of the host's node")
	assert.Equal(t, int64(229), host.Devices[1].Minor, "the caller's list is left alone")
	assert.Contains(t, config.Process.Capabilities.Effective, "CAP_SYS_ADMIN")
	assert.Len(t, config.Linux.Namespaces, 6)
	assert.Empty(t, configured(t).Linux.Devices)

	config, err = configure(host, "--privileged", "--security-opt", "no-new-privileges")
	require.NoError(t, err)
	assert.True(t, config.Process.NoNewPrivileges)
	config, err = configure(host)
	require.NoError(t, err)
	assert.Empty(t, config.Linux.Devices, "the host's devices are for privileged containers")
}

func TestCapabilities(t *testing.T) {
	count := func(list []string) int { return len(list) }
	for _, c := range []struct {
		flags    string
		number   int
		has, not string
	}{
		{"", 11, "CAP_CHOWN", "CAP_NET_RAW"},
		{"--cap-add net_raw", 12, "CAP_NET_RAW", "CAP_SYS_ADMIN"},
		{"--cap-add CAP_NET_RAW --cap-add NET_RAW", 12, "CAP_NET_RAW", "CAP_SYS_ADMIN"},
		{"--cap-drop chown", 10, "CAP_KILL", "CAP_CHOWN"},
		{"--cap-drop chown --cap-drop kill --cap-add net_raw --cap-add sys_time", 11, "CAP_NET_RAW", "CAP_CHOWN"},
		{"--cap-drop chown --cap-add chown", 11, "CAP_CHOWN", "CAP_NET_RAW"},
		{"--cap-drop ALL", 0, "", "CAP_CHOWN"},
		{"--cap-drop all --cap-add net_raw", 1, "CAP_NET_RAW", "CAP_CHOWN"},
		{"--cap-add ALL", 41, "CAP_SYS_ADMIN", ""},
		{"--cap-add ALL --cap-drop sys_admin", 40, "CAP_CHOWN", "CAP_SYS_ADMIN"},
		{"--cap-add ALL --cap-drop ALL", 41, "CAP_SYS_ADMIN", ""},
		{"--privileged", 41, "CAP_SYS_ADMIN", ""},
		{"--privileged --cap-drop sys_admin", 40, "CAP_CHOWN", "CAP_SYS_ADMIN"},
	} {
		got := configured(t, strings.Fields(c.flags)...).Process.Capabilities
		assert.Equal(t, c.number, count(got.Bounding), c.flags)
		assert.Equal(t, got.Bounding, got.Effective, c.flags)
		assert.Equal(t, got.Bounding, got.Permitted, c.flags)
		assert.Empty(t, got.Inheritable, c.flags)
		assert.Empty(t, got.Ambient, c.flags)
		assert.NotContains(t, got.Bounding, c.not, c.flags)
		if c.has != "" {
			assert.Contains(t, got.Bounding, c.has, c.flags)
		}
	}
	got := configured(t, "-u", "app", "--cap-add", "NET_RAW").Process.Capabilities
	assert.Len(t, got.Bounding, 12)
	assert.Empty(t, got.Effective)
	assert.Empty(t, got.Permitted)
	assert.Empty(t, got.Inheritable)
	assert.Empty(t, got.Ambient)
}

func TestMaskedPathsOfProcessors(t *testing.T) {
	host := testHost()
	stat := host.Stat
	cpu := "/sys/devices/system/cpu/cpu"
	there := []string{cpu + "0", cpu + "0/thermal_throttle", cpu + "1", cpu + "2", cpu + "2/thermal_throttle"}
	host.Stat = func(name string) (unix.Stat_t, error) {
		for _, t := range there {
			if t == name {
				return unix.Stat_t{}, nil
			}
		}
		return stat(name)
	}
	assert.Equal(t, []string{there[1], there[4]}, maskedPaths(&host)[12:])
	there = there[:1]
	assert.Len(t, maskedPaths(&host), 12)
}

func TestWithoutEtcTheImageKeepsItsOwn(t *testing.T) {
	host := testHost()
	host.Etc = ""
	spec, err := configure(host, "--init")
	require.NoError(t, err)
	assert.Empty(t, spec.Annotations)
	assert.NotContains(t, destinations(spec), "/etc/hosts")
}
