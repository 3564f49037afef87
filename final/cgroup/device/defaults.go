//go:build linux

package device

import (
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// DefaultDevices are the rules for the devices that every container has. A container may also make any other device node, because
// a node is useless to a container that may not open it. OCI config-linux.md, "Default Devices"
var DefaultDevices = []specs.LinuxDeviceCgroup{
	{Allow: true, Type: "c", Access: "m"},
	{Allow: true, Type: "b", Access: "m"},
	// /dev/null, zero, full, random and urandom
	allowChar(1, 3), allowChar(1, 5), allowChar(1, 7), allowChar(1, 8), allowChar(1, 9),
	// /dev/tty, console and ptmx
	allowChar(5, 0), allowChar(5, 1), allowChar(5, 2),
	// /dev/pts/*
	{Allow: true, Type: "c", Major: new(int64(136)), Access: "rwm"},
}

// WithDefaultDevices returns a copy of the resources with DefaultDevices behind the rules. A configuration that somebody else
// wrote need not mention the default devices. Resources without rules allow every device, and stay as they are.
func WithDefaultDevices(r *specs.LinuxResources) *specs.LinuxResources {
	if r == nil || len(r.Devices) == 0 {
		return r
	}
	with := *r
	with.Devices = slices.Concat(r.Devices, DefaultDevices)
	return &with
}

func allowChar(major, minor int64) specs.LinuxDeviceCgroup {
	return specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: &major, Minor: &minor, Access: "rwm"}
}
