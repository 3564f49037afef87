//go:build linux

package device

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/final/spec"
)

// engines has linux.resources.devices as engines write it, and what a container then may do to two devices that are no default
// ones: fuse is c 10:229, and disk is b 8:0.
func engines(t *testing.T) (all []struct {
	specs.LinuxResources
	Name, Fuse, Disk string
}) {
	t.Helper()
	text, err := os.ReadFile("testdata/engines.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &all))
	require.Len(t, all, 18)
	return all
}

func TestDevicesOfEngines(t *testing.T) {
	for _, test := range engines(t) {
		t.Run(test.Name, func(t *testing.T) {
			rules, err := Parse(spec.WithDefaultDevices(&test.LinuxResources).Devices)
			require.NoError(t, err)
			lines, err := Lines(rules)
			require.NoError(t, err)
			for version, allows := range map[int]func(kind byte, major, minor int64, bit access) bool{
				1: func(kind byte, major, minor int64, bit access) bool { return kernelV1(lines, kind, major, minor, bit) },
				2: func(kind byte, major, minor int64, bit access) bool { return decide(rules, kind, major, minor, bit) },
			} {
				may := func(kind byte, major, minor int64) string {
					var allowed access
					for bit := mknod; bit <= write; bit <<= 1 {
						if allows(kind, major, minor, bit) {
							allowed |= bit
						}
					}
					return allowed.String()
				}
				for _, device := range [][2]int64{{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 1}, {5, 2}, {136, 0}, {136, 77}} {
					assert.Equal(t, "rwm", may('c', device[0], device[1]), "%s: %v", version, device)
				}
				assert.Equal(t, test.Fuse, may('c', 10, 229), version)
				assert.Equal(t, test.Disk, may('b', 8, 0), version)
			}
		})
	}
}
