//go:build linux

package spec

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// netDevices checks the network devices that move from the host to the container. config-linux.md, "Network Devices"
func (v *verdict) netDevices(linux *specs.Linux) {
	v.refuse(len(linux.NetDevices) > 0 && !HasNamespace(linux.Namespaces, specs.NetworkNamespace),
		"linux.netDevices: the container uses the host's network: add a network namespace to linux.namespaces")
	rule := fmt.Sprintf("must be the name of a network device: 1 to %d bytes, without /, : and spaces", unix.IFNAMSIZ-1)
	names := map[string]string{}
	for _, device := range slices.Sorted(maps.Keys(linux.NetDevices)) {
		field, name := fmt.Sprintf("linux.netDevices[%q]", device), NameInContainer(device, linux.NetDevices[device])
		numbered := strings.HasSuffix(name, "%d")
		v.refuse(!isDeviceName(device) || strings.Contains(device, "%"), "%s: %s", field, rule)
		v.refuse(!isDeviceName(name) || strings.Contains(strings.TrimSuffix(name, "%d"), "%"),
			"%s.name: %q: %s; it may end in %%d, for a number", field, name, rule)
		v.refuse(names[name] != "" && !numbered, "%s.name: %q is already the name of %q: choose another name", field, name, names[name])
		names[name] = device
	}
}

// NameInContainer returns the name that a network device of the host has in the container.
func NameInContainer(name string, device specs.LinuxNetDevice) string {
	return cmp.Or(device.Name, name)
}

// isDeviceName reports whether the kernel accepts a name for a network device.
func isDeviceName(name string) bool {
	return name != "" && len(name) < unix.IFNAMSIZ && name != "." && name != ".." && !strings.ContainsAny(name, "/: \t\n\v\f\r\x00")
}
