//go:build linux

package cgroup

import (
	"os"
	"path"
	"strconv"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestFreezeTwice(t *testing.T) {
	for _, version := range []int{1, 2} {
		t.Run(strconv.Itoa(version), func(t *testing.T) {
			c := onlyVersion(t, version)
			child := start(t, "exec sleep 1000")
			require.NoError(t, c.Join(child.Process.Pid))
			for _, freeze := range []bool{false, true, true, false, false, true} {
				require.NoError(t, c.Freeze(freeze))
				is, err := c.Frozen()
				require.NoError(t, err)
				assert.Equal(t, freeze, is)
			}
			require.NoError(t, c.Kill(unix.SIGKILL), "although it is frozen")
			require.NoError(t, c.Remove())
		})
	}
}

func TestFrozenWaitsWhileTheKernelIsHalfway(t *testing.T) {
	for state, want := range map[string]bool{"FROZEN\n": true, "THAWED\n": false} {
		c := fakeV1(t, map[string]string{"freezer.state": "FREEZING\n"})
		file := path.Join(c.Dirs[0].Path, "freezer.state")
		answer := make(chan bool, 1)
		go func() {
			is, err := c.Frozen()
			assert.NoError(t, err)
			answer <- is
		}()
		assert.Never(t, func() bool { return len(answer) > 0 }, 50*time.Millisecond, 5*time.Millisecond)
		// Nobody is to read half of it.
		require.NoError(t, os.WriteFile(file+".new", []byte(state), 0o600))
		require.NoError(t, os.Rename(file+".new", file))
		assert.Equal(t, want, within(t, "an answer", answer), state)
	}
}

// As engines do to a container that is paused.
func TestSetOnAFrozenCgroup(t *testing.T) {
	c := created(t, &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: new(int64(128 << 20)), Swap: new(int64(128 << 20))}})
	// It writes from a buffer of 30 MiB, which nobody reads.
	child := start(t, "dd if=/dev/zero bs=30M count=1 | sleep 1000")
	require.NoError(t, c.Join(child.Process.Pid))
	child.begin()
	eventually(t, "it takes memory", func() bool {
		d := c.DirOf("memory")
		usage, err := readNumber(path.Join(d.Path, map[int]string{1: "memory.usage_in_bytes", 2: "memory.current"}[d.Version]))
		return err == nil && usage > 25<<20
	})
	require.NoError(t, c.Freeze(true))
	for _, size := range []int64{256 << 20, 64 << 20} {
		require.NoError(t, c.Set(&specs.LinuxResources{
			Memory: &specs.LinuxMemory{Limit: &size, Swap: new(2 * size)},
			CPU:    &specs.LinuxCPU{Shares: new(uint64(512)), Quota: new(int64(20000)), Period: new(uint64(50000)), Cpus: "0"},
			Pids:   &specs.LinuxPids{Limit: new(int64(40))},
		}))
		_, limit, err := c.OOMKills()
		require.NoError(t, err)
		assert.Equal(t, size, limit)
		assert.Equal(t, "40", content(t, c, "pids", "pids.max"))
		is, err := c.Frozen()
		require.NoError(t, err)
		assert.True(t, is)
	}
	if c.DirOf("memory").Version == 1 {
		// What is in use and cannot be swapped out is not to be had.
		err := c.Set(&specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: new(int64(1 << 20)), Swap: new(int64(1 << 20))}})
		assert.ErrorIs(t, err, unix.EBUSY)
		assert.ErrorContains(t, err, "the container already uses more")
	}
	require.NoError(t, c.Freeze(false))
	kills, _, err := c.OOMKills()
	require.NoError(t, err)
	assert.Zero(t, kills)
	require.NoError(t, c.Kill(unix.SIGKILL))
}

// On version 1 a limit of memory is never above that of both, so which file comes first depends on where they go.
func TestMemoryAndSwapGoTogether(t *testing.T) {
	c := created(t, nil)
	needController(t, c, 1, "memory")
	files := []string{"memory.limit_in_bytes", "memory.memsw.limit_in_bytes"}
	if _, err := os.Stat(path.Join(c.DirOf("memory").Path, files[1])); err != nil {
		t.Skip("this kernel does not count swap")
	}
	const m = 1 << 20
	// Zero is what is not set.
	for _, step := range []struct{ limit, swap, wantLimit, wantSwap int64 }{
		{64 * m, 128 * m, 64 * m, 128 * m},
		// Both up, past the old one of both, and down again.
		{256 * m, 512 * m, 256 * m, 512 * m}, {32 * m, 64 * m, 32 * m, 64 * m},
		// One up and the other down.
		{48 * m, 48 * m, 48 * m, 48 * m}, {32 * m, 128 * m, 32 * m, 128 * m},
		// One alone.
		{64 * m, 0, 64 * m, 128 * m}, {0, 256 * m, 64 * m, 256 * m}, {0, -1, 64 * m, -1}, {0, 64 * m, 64 * m, 64 * m},
		// No limit at all, and back.
		{-1, -1, -1, -1}, {32 * m, 32 * m, 32 * m, 32 * m}, {-1, 0, -1, -1}, {16 * m, 0, 16 * m, -1},
	} {
		require.NoError(t, c.Set(&specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &step.limit, Swap: &step.swap}}), "%v", step)
		for i, want := range []int64{step.wantLimit, step.wantSwap} {
			got, err := readNumber(path.Join(c.DirOf("memory").Path, files[i]))
			require.NoError(t, err)
			assert.Equal(t, want, got, "%v: %s", step, files[i])
		}
	}
	// A limit above that of both is refused, and nothing has changed but what was before it.
	require.NoError(t, c.Set(&specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: new(int64(32 * m)), Swap: new(int64(64 * m))}}))
	err := c.Set(&specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: new(int64(128 * m))}})
	assert.ErrorIs(t, err, unix.EINVAL)
	assert.ErrorContains(t, err, "linux.resources.memory.limit: ")
}

func within[T any](t *testing.T, what string, channel chan T) (value T) {
	t.Helper()
	select {
	case value = <-channel:
	case <-time.After(time.Minute):
		require.Fail(t, "nothing within a minute", what)
	}
	return value
}
