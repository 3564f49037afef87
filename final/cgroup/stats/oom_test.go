//go:build linux

package stats

import (
	"context"
	"os"
	"path"
	"strconv"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/final/cgroup"
)

// watchOOM runs WatchOOM. It returns a channel with what it finds, one with what it returns, and what ends it.
func watchOOM(t *testing.T, c *cgroup.Cgroup) (found chan time.Time, ended chan error, cancel func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	found, ended = make(chan time.Time, 100), make(chan error, 1)
	go func() { ended <- WatchOOM(ctx, c, func() { found <- time.Now() }) }()
	return found, ended, cancel
}

func killOne(t *testing.T, c *cgroup.Cgroup) {
	t.Helper()
	output, state := runIn(t, c, `exec tail /dev/zero`)
	require.Equal(t, "signal: killed", state.String(), output)
}

func TestWatchOOM(t *testing.T) {
	limit := int64(16 << 20)
	c := created(t, &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit, Swap: &limit}})
	found, ended, cancel := watchOOM(t, c)
	// It may start with the second.
	kills := 0
	for ; kills < 10 && len(found) == 0; kills++ {
		killOne(t, c)
	}
	within(t, "a kill", found)
	for range 5 {
		killOne(t, c)
		within(t, "another kill", found)
	}
	output, _ := runIn(t, c, "echo fine")
	assert.Equal(t, "fine\n", output)
	cancel()
	assert.NoError(t, within(t, "the end of the context", ended))
	assert.Less(t, len(found), kills)

	found, ended, cancel = watchOOM(t, c)
	defer cancel()
	require.NoError(t, c.Remove())
	assert.NoError(t, within(t, "the end of the cgroup", ended))
	assert.Empty(t, found, "what was before does not count")
	assert.NoError(t, WatchOOM(t.Context(), c, nil), "it is gone already")
}

func TestWatchOOMOfVersion2(t *testing.T) {
	c := fakeV2(t, map[string]string{"memory.events": "oom_kill 3\n"})
	found, ended, cancel := watchOOM(t, c)
	defer cancel()
	file := path.Join(c.Dirs[0].Path, "memory.events")
	kills := 3
	kill := func() {
		kills++
		require.NoError(t, os.WriteFile(file, []byte("max 7\noom_kill "+strconv.Itoa(kills)+"\n"), 0o600))
	}
	// It may not look yet.
	require.Eventually(t, func() bool {
		kill()
		return len(found) > 0
	}, 5*time.Second, time.Millisecond, "a kill")
	for range 5 {
		kill()
		within(t, "another kill", found)
	}
	require.NoError(t, os.RemoveAll(c.Dirs[0].Path))
	assert.NoError(t, within(t, "the end of the cgroup", ended))
}

func TestWatchOOMWithoutMemoryController(t *testing.T) {
	assert.NoError(t, WatchOOM(t.Context(), &cgroup.Cgroup{Mode: cgroup.V1}, nil))
}
