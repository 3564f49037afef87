//go:build linux

package cgroup

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

var made atomic.Int64

// testPath is one that no other test has, nor any container.
func testPath() string {
	return fmt.Sprintf("/container-workshop-test-%d-%d", os.Getpid(), made.Add(1))
}

// created returns a cgroup on this machine, which goes with the test.
func created(t testing.TB, r *specs.LinuxResources) *Cgroup {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: make test")
	}
	c, err := New(testPath(), r)
	require.NoError(t, err)
	require.NoError(t, c.Make())
	t.Cleanup(func() { require.NoError(t, c.Remove()) })
	require.NoError(t, c.Set(r))
	return c
}

// command is a shell that waits for a line, so that it can join a cgroup before it does anything.
type command struct {
	*exec.Cmd
	output bytes.Buffer
	begin  func()
}

func start(t testing.TB, script string) *command {
	t.Helper()
	c := &command{Cmd: exec.Command("/bin/sh", "-c", "read line; "+script)}
	c.Stdout, c.Stderr = &c.output, &c.output
	// A process that it leaves behind must not keep the test waiting.
	c.WaitDelay = 2 * time.Second
	input, err := c.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
	})
	c.begin = func() { fmt.Fprintln(input) }
	return c
}

// runIn runs a script in a cgroup and returns what it writes, when it ends.
func runIn(t testing.TB, cgroup *Cgroup, script string) (output string, state *os.ProcessState) {
	t.Helper()
	c := start(t, script)
	require.NoError(t, cgroup.Join(c.Process.Pid))
	c.begin()
	c.Wait()
	return c.output.String(), c.ProcessState
}

// content is what a file of a cgroup holds, without the newline.
func content(t testing.TB, c *Cgroup, controller, file string) string {
	t.Helper()
	d := c.DirOf(controller)
	require.NotNil(t, d, controller)
	text, err := os.ReadFile(path.Join(d.Path, file))
	require.NoError(t, err)
	return string(bytes.TrimSpace(text))
}

func needController(t testing.TB, c *Cgroup, version int, names ...string) {
	t.Helper()
	for _, name := range names {
		if d := c.DirOf(name); d == nil || d.Version != version {
			t.Skipf("needs the %s controller of cgroup v%d", name, version)
		}
	}
}

// eventually waits for what the kernel does on its own time.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, time.Minute, time.Millisecond, what)
}

// inOwnMounts runs a function on a thread with mounts of its own, which ends with it.
func inOwnMounts(t testing.TB, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		// It is never unlocked, so the thread does not run anything else.
		runtime.LockOSThread()
		defer close(done)
		if !assert.NoError(t, unix.Unshare(unix.CLONE_NEWNS)) || !assert.NoError(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")) {
			return
		}
		f()
	}()
	<-done
}
