//go:build linux

package limit

import (
	"strconv"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCPUWeight(t *testing.T) {
	for shares, weight := range map[uint64]string{1: "1", 2: "1", 1024: "100", 262144: "10000", 1 << 40: "10000", 512: "59", 2048: "174", 100: "17"} {
		assert.Equal(t, []string{weight}, cpuWeight(&specs.LinuxCPU{Shares: &shares}), shares)
	}
	last := 0
	for shares := uint64(1); shares <= 262144; shares++ {
		weight, err := strconv.Atoi(cpuWeight(&specs.LinuxCPU{Shares: &shares})[0])
		require.NoError(t, err)
		if weight < last || weight < 1 || weight > 10000 {
			t.Fatalf("%d shares have a weight of %d, one less has %d", shares, weight, last)
		}
		last = weight
	}
}
