//go:build linux

package stats

import (
	"fmt"
	"os"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/cgroup"
)

func TestMemoryLimitOfAScope(t *testing.T) {
	if _, err := os.Stat("/run/systemd/system"); err != nil || os.Getuid() != 0 {
		t.Skip("needs root, and systemd as process 1")
	}
	limit := int64(16 << 20)
	r := &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit, Swap: &limit}}
	c, err := cgroup.NewSystemd(fmt.Sprintf(":test:stats-%d", os.Getpid()), "web1", r)
	require.NoError(t, err)
	require.NoError(t, c.Make())
	t.Cleanup(func() { require.NoError(t, c.Remove()) })
	keeper, _ := start(t, "exec sleep 1000")
	require.NoError(t, c.Set(r))
	require.NoError(t, c.Join(keeper.Process.Pid))
	found, ended, _ := watchOOM(t, c)
	for tries := 0; tries < 10 && len(found) == 0; tries++ {
		killOne(t, c)
	}
	within(t, "a kill", found)
	stats, err := Read(c)
	require.NoError(t, err)
	assert.EqualValues(t, limit, stats.Memory.Usage.Limit)
	assert.EqualValues(t, 1, stats.Pids.Current)
	// With its last process the scope goes, and all that it has counted.
	require.NoError(t, c.Kill(unix.SIGKILL))
	assert.NoError(t, within(t, "the end of the scope", ended))
}
