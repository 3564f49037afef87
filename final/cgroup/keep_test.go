//go:build linux

package cgroup

import (
	"os"
	"path"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Version 1 counts the memory of sockets for itself.
func TestTheLimitOfSocketsGoesWithThatOfMemory(t *testing.T) {
	c := created(t, nil)
	needController(t, c, 1, "memory")
	dir := c.DirOf("memory").Path
	if _, err := os.Stat(path.Join(dir, "memory.kmem.tcp.limit_in_bytes")); err != nil {
		t.Skip("this kernel does not count the memory of sockets")
	}
	const m = 1 << 20
	// Zero is what is not set.
	for _, step := range []struct{ limit, tcp, wantLimit, wantTCP int64 }{
		{64 * m, 0, 64 * m, 64 * m}, {128 * m, 0, 128 * m, 128 * m}, {32 * m, 0, 32 * m, 32 * m}, {-1, 0, -1, -1}, {64 * m, 0, 64 * m, 64 * m},
		// Its own one stays.
		{64 * m, 8 * m, 64 * m, 8 * m}, {32 * m, 0, 32 * m, 8 * m}, {-1, 0, -1, 8 * m}, {64 * m, 0, 64 * m, 8 * m}, {0, 16 * m, 64 * m, 16 * m},
		{0, -1, 64 * m, -1}, {32 * m, 0, 32 * m, 32 * m},
	} {
		require.NoError(t, c.Set(&specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &step.limit, KernelTCP: &step.tcp}}), "%v", step)
		for file, want := range map[string]int64{"memory.limit_in_bytes": step.wantLimit, "memory.kmem.tcp.limit_in_bytes": step.wantTCP} {
			n, err := readNumber(path.Join(dir, file))
			require.NoError(t, err)
			assert.Equal(t, want, n, "%v: %s", step, file)
		}
	}
}
