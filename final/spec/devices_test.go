//go:build linux

package spec

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
)

func TestWithDefaultDevices(t *testing.T) {
	assert.Nil(t, WithDefaultDevices(nil))
	none := &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(1))}}
	assert.Same(t, none, WithDefaultDevices(none))
	given := &specs.LinuxResources{Devices: make([]specs.LinuxDeviceCgroup, 1, 100), Pids: none.Pids}
	with := WithDefaultDevices(given)
	assert.Len(t, with.Devices, 1+len(DefaultDevices(true)))
	assert.Same(t, given.Pids, with.Pids)
	assert.Len(t, given.Devices, 1)
	assert.Empty(t, given.Devices[:100][1])
}
