//go:build linux

package cgroup

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/final/spec"
)

func denyAllBut(more ...specs.LinuxDeviceCgroup) []specs.LinuxDeviceCgroup {
	return append([]specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}, more...)
}

func char(major, minor int64) specs.LinuxDeviceCgroup {
	return specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: &major, Minor: &minor, Access: "rwm"}
}

// openable says which of some devices can be opened.
const openable = `exec 2>&-; for d in null zero full; do if (: </dev/$d); then printf "$d "; fi; done; (: >/dev/null) && printf writable`

func TestDevicesAreDenied(t *testing.T) {
	for name, choose := range map[string]func(Dir) bool{
		"version 1": func(d Dir) bool { return d.Version == 1 },
		"version 2": func(d Dir) bool { return d.Version == 2 },
	} {
		t.Run(name, func(t *testing.T) {
			// Keep only the directories of one version: on a hybrid host, the devices would go by version 1.
			whole := created(t, nil)
			c := &Cgroup{Mode: whole.Mode}
			for _, d := range whole.Dirs {
				if choose(d) {
					c.Dirs = append(c.Dirs, d)
				}
			}
			if c.DirOf("devices") == nil {
				t.Skip("this host has no devices controller of this version")
			}
			set := func(entries []specs.LinuxDeviceCgroup) string {
				require.NoError(t, c.Set(&specs.LinuxResources{Devices: entries}))
				output, _ := runIn(t, c, openable)
				return strings.TrimSpace(output)
			}
			assert.Equal(t, "null zero full writable", set(nil))
			assert.Equal(t, "null zero full writable", set(denyAllBut(spec.DefaultDevices(true)...)))
			null := char(1, 3)
			assert.Equal(t, "null writable", set(denyAllBut(null)))
			null.Access = "r"
			assert.Equal(t, "null zero", set(denyAllBut(null, char(1, 5))))
			assert.Equal(t, "", set(denyAllBut()))
			assert.Equal(t, "null zero full writable", set([]specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}}))
			assert.Equal(t, "null full writable", set([]specs.LinuxDeviceCgroup{{Allow: true}, {Type: "c", Major: new(int64(1)), Minor: new(int64(5))}}))
		})
	}
}

// The kernel takes what engines send, in a cgroup as it is and once more, as at an update.
func TestDevicesOfEnginesInTheKernel(t *testing.T) {
	text, err := os.ReadFile("device/testdata/engines.json")
	require.NoError(t, err)
	var engines []specs.LinuxResources
	require.NoError(t, json.Unmarshal(text, &engines))
	require.Len(t, engines, 18)
	for i, r := range engines {
		c := created(t, nil)
		for range 2 {
			require.NoError(t, c.Set(spec.WithDefaultDevices(&r)), i)
			output, _ := runIn(t, c, openable)
			assert.Equal(t, "null zero full writable", output, i)
		}
	}
}
