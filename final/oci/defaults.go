//go:build linux

package oci

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// alwaysMasked tell of the host, or of other containers: each cannot be seen at all. One that a host lacks does no harm.
func alwaysMasked() []string {
	return []string{
		"/proc/acpi",
		"/proc/asound",
		"/proc/interrupts",
		"/proc/kcore",
		"/proc/keys",
		"/proc/latency_stats",
		"/proc/sched_debug",
		"/proc/scsi",
		"/proc/timer_list",
		"/proc/timer_stats",
		"/sys/devices/virtual/powercap",
		"/sys/firmware",
	}
}

// maskedPaths are those, and the counters of heat that the host's processors have.
func maskedPaths(host *Host) []string {
	paths := alwaysMasked()
	// Virtual machines have none of these, so one look is enough there.
	for cpu := 0; ; cpu++ {
		dir := fmt.Sprintf("/sys/devices/system/cpu/cpu%d", cpu)
		if _, err := host.Stat(dir + "/thermal_throttle"); err == nil {
			paths = append(paths, dir+"/thermal_throttle")
		} else if _, err := host.Stat(dir); err != nil || cpu == 0 {
			return paths
		}
	}
}

// readonlyPaths change the host, or other containers: each can be read only.
func readonlyPaths() []string {
	return []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
}

// deviceRules let the container make any device node, but open these only: null, zero, full, random, urandom, tty, ptmx and
// the terminals of its own /dev/pts. The last rule that fits counts. Linux, Documentation/admin-guide/devices.txt
func deviceRules() []specs.LinuxDeviceCgroup {
	rules := []specs.LinuxDeviceCgroup{
		{Allow: false, Access: "rwm"},
		{Allow: true, Type: "c", Access: "m"},
		{Allow: true, Type: "b", Access: "m"},
	}
	for _, device := range [][2]int64{{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 2}} {
		rules = append(rules, specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: &device[0], Minor: &device[1], Access: "rwm"})
	}
	pts := int64(136)
	return append(rules, specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: &pts, Access: "rwm"})
}

// newNamespaces returns the namespaces of the container's own: all but the network's if that is the host's, and the users'.
func newNamespaces(o *Options) []specs.LinuxNamespace {
	namespaces := []specs.LinuxNamespace{
		{Type: specs.MountNamespace},
		{Type: specs.PIDNamespace},
		{Type: specs.UTSNamespace},
		{Type: specs.IPCNamespace},
		{Type: specs.CgroupNamespace},
	}
	if o.Network != "host" {
		namespaces = append(namespaces, specs.LinuxNamespace{Type: specs.NetworkNamespace})
	}
	return namespaces
}
