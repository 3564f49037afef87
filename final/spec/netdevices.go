//go:build linux

package spec

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// checkNetDevices is about the network devices of the host that go to the container. config-linux.md, "Network Devices"
func checkNetDevices(spec *specs.Spec) error {
	devices := spec.Linux.NetDevices
	if len(devices) > 0 && !HasNamespace(spec.Linux.Namespaces, specs.NetworkNamespace) {
		return errors.New("linux.netDevices: the container uses the host's network: add a network namespace to linux.namespaces")
	}
	names := map[string]string{}
	for _, device := range slices.Sorted(maps.Keys(devices)) {
		name := NameInContainer(device, devices[device])
		switch other := names[name]; {
		case !isDeviceName(device) || strings.Contains(device, "%"):
			return fmt.Errorf("linux.netDevices[%q]: %s", device, deviceNameRule)
		case !isDeviceName(name) || strings.Contains(strings.TrimSuffix(name, "%d"), "%"):
			return fmt.Errorf("linux.netDevices[%q].name: %q: %s; it may end in %%d, for a number", device, name, deviceNameRule)
		case other != "" && !strings.HasSuffix(name, "%d"):
			return fmt.Errorf("linux.netDevices[%q].name: %q is already the name of %q: choose another name", device, name, other)
		}
		names[name] = device
	}
	return nil
}

// NameInContainer is what a network device of the host is called in the container.
func NameInContainer(name string, device specs.LinuxNetDevice) string {
	if device.Name != "" {
		return device.Name
	}
	return name
}

var deviceNameRule = fmt.Sprintf("must be the name of a network device: 1 to %d bytes, without /, : and spaces", unix.IFNAMSIZ-1)

// isDeviceName reports whether the kernel accepts a name for a network device.
func isDeviceName(name string) bool {
	return name != "" && len(name) < unix.IFNAMSIZ && name != "." && name != ".." && !strings.ContainsAny(name, "/: \t\n\v\f\r\x00")
}
