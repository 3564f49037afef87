//go:build linux

package stats

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/require"

	"container-workshop/final/cgroup"
)

var made atomic.Int64

// created returns a cgroup on this machine, which goes with the test.
func created(t *testing.T, r *specs.LinuxResources) *cgroup.Cgroup {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: make test")
	}
	c, err := cgroup.New(fmt.Sprintf("/container-workshop-test-stats-%d-%d", os.Getpid(), made.Add(1)), r)
	require.NoError(t, err)
	require.NoError(t, c.Make())
	t.Cleanup(func() { require.NoError(t, c.Remove()) })
	require.NoError(t, c.Set(r))
	return c
}

// start starts a shell that runs the script after it reads a line. begin sends the line.
func start(t *testing.T, script string) (child *exec.Cmd, begin func()) {
	t.Helper()
	child = exec.Command("/bin/sh", "-c", "read line; "+script)
	// A process that the script leaves behind must not keep the test waiting.
	child.WaitDelay = 2 * time.Second
	input, err := child.StdinPipe()
	require.NoError(t, err)
	child.Stdout = new(bytes.Buffer)
	require.NoError(t, child.Start())
	t.Cleanup(func() {
		child.Process.Kill()
		child.Wait()
	})
	return child, func() { fmt.Fprintln(input) }
}

// runIn runs a script in a cgroup to its end.
func runIn(t *testing.T, c *cgroup.Cgroup, script string) (output string, state *os.ProcessState) {
	t.Helper()
	child, begin := start(t, script)
	require.NoError(t, c.Join(child.Process.Pid))
	begin()
	child.Wait()
	return child.Stdout.(*bytes.Buffer).String(), child.ProcessState
}

// fakeV1 is a tree of version 1 with all controllers.
func fakeV1(t *testing.T, files map[string]string) *cgroup.Cgroup {
	t.Helper()
	controllers := strings.Fields("cpu cpuacct cpuset memory devices freezer net_cls blkio perf_event net_prio hugetlb pids rdma")
	return fake(t, cgroup.V1, cgroup.Dir{Name: "all", Version: 1, Controllers: controllers}, files)
}

func fakeV2(t *testing.T, files map[string]string) *cgroup.Cgroup {
	t.Helper()
	return fake(t, cgroup.V2, cgroup.Dir{Version: 2}, files)
}

// fake is a cgroup with these files, in an ordinary directory.
func fake(t *testing.T, mode cgroup.Mode, d cgroup.Dir, files map[string]string) *cgroup.Cgroup {
	t.Helper()
	d.Mount = t.TempDir()
	d.Path = path.Join(d.Mount, "c")
	require.NoError(t, os.Mkdir(d.Path, 0o755))
	for file, text := range files {
		require.NoError(t, os.WriteFile(path.Join(d.Path, file), []byte(text), 0o600))
	}
	return &cgroup.Cgroup{Mode: mode, Dirs: []cgroup.Dir{d}}
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
