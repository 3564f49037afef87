//go:build linux

package spec

import (
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// DefaultDevices returns rules for the devices that every container may open: null, zero, full, random, urandom, tty and ptmx, the
// terminals of its own /dev/pts, and on request the console. A container may also make any other device node, because a node is
// useless to a container that may not open it. OCI config-linux.md, "Default Devices"; Linux, admin-guide/devices.txt
func DefaultDevices(console bool) []specs.LinuxDeviceCgroup {
	rules := []specs.LinuxDeviceCgroup{{Allow: true, Type: "c", Access: "m"}, {Allow: true, Type: "b", Access: "m"}}
	for _, device := range [][2]int64{{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 1}, {5, 2}} {
		if console || device != [2]int64{5, 1} {
			rules = append(rules, specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: &device[0], Minor: &device[1], Access: "rwm"})
		}
	}
	return append(rules, specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: new(int64(136)), Access: "rwm"})
}

// WithDefaultDevices returns a copy of the resources with the default devices behind their rules: the last rule that matches a device
// decides, and a configuration that somebody else wrote need not mention the default devices. Resources without rules allow every
// device, and stay as they are.
func WithDefaultDevices(r *specs.LinuxResources) *specs.LinuxResources {
	if r == nil || len(r.Devices) == 0 {
		return r
	}
	with := *r
	with.Devices = slices.Concat(r.Devices, DefaultDevices(true))
	return &with
}
