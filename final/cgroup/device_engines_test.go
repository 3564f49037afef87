//go:build linux

package cgroup

import (
	"encoding/json"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	dockerDevices = `{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":5,"access":"rwm"},
		{"allow":true,"type":"c","major":1,"minor":3,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":9,"access":"rwm"},
		{"allow":true,"type":"c","major":1,"minor":8,"access":"rwm"},{"allow":true,"type":"c","major":5,"minor":0,"access":"rwm"},
		{"allow":true,"type":"c","major":5,"minor":1,"access":"rwm"},{"allow":false,"type":"c","major":10,"minor":229,"access":"rwm"}`
	anyNode           = `{"allow":true,"type":"c","access":"m"},{"allow":true,"type":"b","access":"m"}`
	containerdDevices = `{"allow":false,"access":"rwm"},` + anyNode + `,{"allow":true,"type":"c","major":1,"minor":3,"access":"rwm"},
		{"allow":true,"type":"c","major":1,"minor":8,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":7,"access":"rwm"},
		{"allow":true,"type":"c","major":5,"minor":0,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":5,"access":"rwm"},
		{"allow":true,"type":"c","major":1,"minor":9,"access":"rwm"},{"allow":true,"type":"c","major":5,"minor":1,"access":"rwm"},
		{"allow":true,"type":"c","major":136,"access":"rwm"},{"allow":true,"type":"c","major":5,"minor":2,"access":"rwm"}`
)

// engineDevices are linux.resources.devices as engines write them, and what can then be done to some devices that are none of
// the default ones.
var engineDevices = []struct {
	name, rules string
	// fuse is 10:229, disk is 8:0.
	fuse, disk string
}{
	{"docker", dockerDevices, "m", "m"},
	{"docker and any node", dockerDevices + "," + anyNode, "m", "m"},
	{"docker --device /dev/fuse", dockerDevices + `,{"allow":true,"type":"c","major":10,"minor":229,"access":"rwm"}`, "rwm", "m"},
	{"docker --device /dev/sda:/dev/sda:r", dockerDevices + `,{"allow":true,"type":"b","major":8,"minor":0,"access":"r"}`, "m", "rm"},
	{"docker --device-cgroup-rule 'c *:* rw'", dockerDevices + `,{"allow":true,"type":"c","major":-1,"minor":-1,"access":"rw"}`, "rwm", "m"},
	{"docker --device-cgroup-rule 'c 10:* rwm'", dockerDevices + `,{"allow":true,"type":"c","major":10,"minor":-1,"access":"rwm"}`, "rwm", "m"},
	{"docker --device-cgroup-rule 'a *:* rwm'", dockerDevices + `,{"allow":true,"type":"a","major":-1,"minor":-1,"access":"rwm"}`, "rwm", "rwm"},
	{"docker --device-cgroup-rule 'a 8:0 r'", dockerDevices + `,{"allow":true,"type":"a","major":8,"minor":0,"access":"r"}`, "m", "rm"},
	{"docker --privileged", `{"allow":true,"access":"rwm"}`, "rwm", "rwm"},
	{"docker --privileged --device-cgroup-rule 'c 10:229 r'", `{"allow":true,"access":"rwm"},{"allow":true,"type":"c","major":10,"minor":229,"access":"r"}`, "rwm", "rwm"},
	{"podman", `{"allow":false,"access":"rwm"}`, "m", "m"},
	{"podman --device /dev/fuse", `{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":10,"minor":229,"access":"rwm"}`, "rwm", "m"},
	{"podman --device-cgroup-rule 'b *:* rw'", `{"allow":false,"access":"rwm"},{"allow":true,"type":"b","major":-1,"minor":-1,"access":"rw"}`, "m", "rwm"},
	{"podman --privileged", `{"allow":false,"access":"rwm"},{"allow":true,"access":"rwm"}`, "rwm", "rwm"},
	{"containerd", containerdDevices, "m", "m"},
	{"containerd, CRI with a device", containerdDevices + `,{"allow":true,"type":"b","major":8,"minor":0,"access":"rwm"}`, "m", "rwm"},
	{"containerd, CRI privileged", containerdDevices + `,{"allow":true,"access":"rwm"}`, "rwm", "rwm"},
	{"all but one", `{"allow":true,"access":"rwm"},{"allow":false,"type":"c","major":10,"minor":229,"access":"rwm"}`, "m", "rwm"},
}

func TestDevicesOfEngines(t *testing.T) {
	for _, test := range engineDevices {
		t.Run(test.name, func(t *testing.T) {
			var r specs.LinuxResources
			require.NoError(t, json.Unmarshal([]byte(`{"devices":[`+test.rules+`]}`), &r))
			for _, c := range []*Cgroup{{Mode: V1, Dirs: allV1}, {Mode: V2, Dirs: allV2}} {
				rules, err := c.planDevices(WithDefaultDevices(&r).Devices)
				require.NoError(t, err, c.Mode)
				may := func(kind byte, major, minor int64) string {
					var allowed access
					for bit := mknod; bit <= write; bit <<= 1 {
						if c.Mode == V1 && kernelV1(rules, kind, major, minor, bit) || c.Mode == V2 && decide(rules, kind, major, minor, bit) {
							allowed |= bit
						}
					}
					return allowed.String()
				}
				for _, device := range [][2]int64{{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 1}, {5, 2}, {136, 0}, {136, 77}} {
					assert.Equal(t, "rwm", may('c', device[0], device[1]), "%s: %v", c.Mode, device)
				}
				assert.Equal(t, test.fuse, may('c', 10, 229), c.Mode)
				assert.Equal(t, test.disk, may('b', 8, 0), c.Mode)
			}
		})
	}
}

func TestWithDefaultDevices(t *testing.T) {
	assert.Nil(t, WithDefaultDevices(nil))
	none := &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(1))}}
	assert.Same(t, none, WithDefaultDevices(none))
	given := &specs.LinuxResources{Devices: make([]specs.LinuxDeviceCgroup, 1, 100), Pids: none.Pids}
	with := WithDefaultDevices(given)
	assert.Len(t, with.Devices, 1+len(DefaultDevices))
	assert.Same(t, given.Pids, with.Pids)
	assert.Len(t, given.Devices, 1)
	assert.Empty(t, given.Devices[:100][1])
}

// The kernel takes what engines send, in a cgroup as it is and once more, as at an update.
func TestDevicesOfEnginesInTheKernel(t *testing.T) {
	for _, test := range engineDevices {
		var r specs.LinuxResources
		require.NoError(t, json.Unmarshal([]byte(`{"devices":[`+test.rules+`]}`), &r))
		c := created(t, nil)
		for range 2 {
			require.NoError(t, c.Set(WithDefaultDevices(&r)), test.name)
			output, _ := runIn(t, c, openable)
			assert.Equal(t, "null zero full writable", output, test.name)
		}
	}
}
