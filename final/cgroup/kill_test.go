//go:build linux

package cgroup

import (
	"os"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestMemoryLimitKillsAndIsTold(t *testing.T) {
	limit := int64(16 << 20)
	c := created(t, &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit, Swap: &limit}})
	kills, got, err := c.OOMKills()
	require.NoError(t, err)
	assert.Zero(t, kills)
	assert.Equal(t, limit, got)
	output, state := runIn(t, c, `exec tail /dev/zero`)
	assert.Equal(t, "signal: killed", state.String(), output)
	eventually(t, "a kill is counted", func() bool {
		kills, _, err = c.OOMKills()
		return err == nil && kills > 0
	})
	usage, err := readNumber(path.Join(c.DirOf("memory").Path, map[int]string{1: "memory.usage_in_bytes", 2: "memory.current"}[c.DirOf("memory").Version]))
	require.NoError(t, err)
	assert.LessOrEqual(t, usage, limit)
}

func TestNoMemoryLimit(t *testing.T) {
	_, limit, err := created(t, nil).OOMKills()
	require.NoError(t, err)
	assert.Equal(t, int64(-1), limit)
}

func TestPidsLimitStopsFork(t *testing.T) {
	c := created(t, &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(3))}})
	output, state := runIn(t, c, `exec 2>&-; sleep 1000 >&- & sleep 1000 >&- & sleep 1000 >&- & echo all`)
	assert.NotContains(t, output, "all")
	assert.NotZero(t, state.ExitCode())
	assert.Equal(t, "3", content(t, c, "pids", "pids.max"))
	current, err := readNumber(path.Join(c.DirOf("pids").Path, "pids.current"))
	require.NoError(t, err)
	assert.LessOrEqual(t, current, int64(3))
	require.NoError(t, c.Kill(unix.SIGKILL))
}

// onlyVersion has the trees of one version, so that both ways of doing things are tried on a hybrid host.
func onlyVersion(t *testing.T, version int) *Cgroup {
	whole := created(t, nil)
	c := &Cgroup{Mode: whole.Mode}
	for _, d := range whole.Dirs {
		if d.Version == version {
			c.Dirs = append(c.Dirs, d)
		}
	}
	if c.freezer() == nil {
		t.Skipf("this host has no cgroup v%d that can freeze", version)
	}
	return c
}

func TestKillGetsAll(t *testing.T) {
	for _, version := range []int{1, 2} {
		t.Run(strconv.Itoa(version), func(t *testing.T) {
			c := onlyVersion(t, version)
			child := start(t, "sleep 1000 & sleep 1000 & setsid sleep 1000 & wait")
			require.NoError(t, c.Join(child.Process.Pid))
			child.begin()
			eventually(t, "four processes", func() bool {
				pids, err := c.Procs()
				return err == nil && len(pids) == 4
			})
			require.NoError(t, c.Kill(unix.SIGCONT))
			require.NoError(t, c.Freeze(true))
			require.NoError(t, c.Kill(unix.SIGKILL), "even when they are frozen")
			pids, err := c.Procs()
			require.NoError(t, err)
			assert.Empty(t, pids)
		})
	}
}

func TestKillGetsAForkBomb(t *testing.T) {
	for _, version := range []int{1, 2} {
		t.Run(strconv.Itoa(version), func(t *testing.T) {
			c := onlyVersion(t, version)
			// Each process starts the next and ends, so that a list of them is old when it is read.
			script := path.Join(t.TempDir(), "bomb")
			require.NoError(t, os.WriteFile(script, []byte("sh "+script+" &\n"), 0o600))
			bomb := start(t, "exec sh "+script)
			require.NoError(t, c.Join(bomb.Process.Pid))
			bomb.begin()
			bomb.Wait()
			require.NoError(t, c.Kill(unix.SIGKILL))
			pids, err := c.Procs()
			require.NoError(t, err)
			assert.Empty(t, pids)
		})
	}
}

func TestKillSendsOtherSignalsOnce(t *testing.T) {
	c := created(t, nil)
	child := start(t, "trap 'echo got it; exit 7' TERM; echo ready; while :; do sleep 0.01; done")
	require.NoError(t, c.Join(child.Process.Pid))
	require.NoError(t, c.Kill(0))
	child.begin()
	// The shell catches it once the trap is set, which /proc tells.
	eventually(t, "a handler", func() bool {
		status, err := os.ReadFile("/proc/" + strconv.Itoa(child.Process.Pid) + "/status")
		_, after, _ := strings.Cut(string(status), "SigCgt:\t")
		caught, _ := strconv.ParseUint(strings.SplitN(after, "\n", 2)[0], 16, 64)
		return err == nil && caught>>(unix.SIGTERM-1)&1 == 1
	})
	require.NoError(t, c.Kill(unix.SIGTERM))
	child.Wait()
	assert.Equal(t, 7, child.ProcessState.ExitCode())
	assert.Contains(t, child.output.String(), "got it")
}

func TestFreeze(t *testing.T) {
	for _, version := range []int{1, 2} {
		t.Run(strconv.Itoa(version), func(t *testing.T) {
			c := onlyVersion(t, version)
			file := path.Join(t.TempDir(), "count")
			child := start(t, "while :; do echo >>"+file+"; done")
			require.NoError(t, c.Join(child.Process.Pid))
			child.begin()
			size := func() int64 {
				info, err := os.Stat(file)
				if err != nil {
					return 0
				}
				return info.Size()
			}
			eventually(t, "it runs", func() bool { return size() > 0 })
			require.NoError(t, c.Freeze(true))
			frozen, err := c.Frozen()
			require.NoError(t, err)
			assert.True(t, frozen)
			before := size()
			assert.Never(t, func() bool { return size() != before }, 50*time.Millisecond, 5*time.Millisecond)
			require.NoError(t, c.Freeze(false))
			frozen, err = c.Frozen()
			require.NoError(t, err)
			assert.False(t, frozen)
			eventually(t, "it goes on", func() bool { return size() > before })
			require.NoError(t, c.Kill(unix.SIGKILL))
		})
	}
}

func TestProcsSeesCgroupsBelow(t *testing.T) {
	c := created(t, nil)
	below := path.Join(c.watched().Path, "below")
	require.NoError(t, os.Mkdir(below, 0o755))
	child := start(t, "exec sleep 1000")
	require.NoError(t, writeFile(path.Join(below, "cgroup.procs"), strconv.Itoa(child.Process.Pid)))
	pids, err := c.Procs()
	require.NoError(t, err)
	assert.Equal(t, []int{child.Process.Pid}, pids)
	require.NoError(t, c.Kill(unix.SIGKILL))
}

// The whole of what a start needs of this package, and what of it is to be waited for.
func BenchmarkNewCreateRemove(b *testing.B) {
	for b.Loop() {
		c, err := New(testPath(), nil)
		require.NoError(b, err)
		require.NoError(b, c.Make())
		require.NoError(b, c.Remove())
	}
}

// BenchmarkJoin pauses before each, as the kernel is only slow to move a process when it has not done so for a while.
func BenchmarkJoin(b *testing.B) {
	for name, before := range map[string]func(){"cold": func() {}, "warm": Warm} {
		b.Run(name, func(b *testing.B) {
			c := created(b, nil)
			child := exec.Command("sleep", "1000")
			require.NoError(b, child.Start())
			defer child.Wait()
			defer child.Process.Kill()
			var total time.Duration
			for range b.N {
				time.Sleep(100 * time.Millisecond)
				before()
				begin := time.Now()
				require.NoError(b, c.Join(child.Process.Pid))
				total += time.Since(begin)
			}
			b.ReportMetric(float64(total.Microseconds())/float64(b.N), "µs/join")
		})
	}
}
