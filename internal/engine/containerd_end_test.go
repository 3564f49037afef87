//go:build linux && engines

package engine

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// deleted removes a task that has ended, and requires its exit status.
func (c *containerd) deleted(id string, status int) {
	c.Helper()
	r := c.try("task", "delete", id)
	require.Equal(c, 0, r.status, r.stderr)
	if status == 0 {
		require.Empty(c, r.stderr)
		return
	}
	require.Contains(c, r.stderr, fmt.Sprintf("non-zero exit code %d\"", status))
}

func TestContainerdKill(t *testing.T) {
	c := newContainerd(t)
	id, _ := c.started("trap 'exit 3' TERM; : >/out/ready; while :; do sleep 0.01; done")
	c.ctr("task", "kill", id)
	c.becomes(id, "STOPPED")
	c.deleted(id, 3)

	id, _ = c.started("trap '' TERM; : >/out/ready; while :; do sleep 0.01; done")
	c.ctr("task", "kill", "--signal", "SIGTERM", id)
	c.ctr("task", "kill", "--signal", "KILL", id)
	c.becomes(id, "STOPPED")
	c.deleted(id, 137)

	id, out := c.started(`trap 'echo 1 >/out/ready' USR1
sh -c 'trap "echo 2 >/out/second; exit" USR1; while :; do sleep 0.01; done' &
: >/out/ready; while :; do sleep 0.01; done`)
	until(t, "every process has the signal", func() bool {
		c.ctr("task", "kill", "--all", "--signal", "USR1", id)
		one, err := os.ReadFile(out + "/ready")
		_, other := os.Stat(out + "/second")
		return err == nil && len(one) > 0 && other == nil
	}, c.log)

	r := c.try("task", "kill", "no-such-task")
	require.Equal(t, 1, r.status)
	require.Contains(t, r.stderr, "not found")
	c.remove(id)

	id = c.detached("exit 0")
	c.becomes(id, "STOPPED")
	require.Contains(t, c.try("task", "kill", id).stderr, "process already finished: not found")
}

func TestContainerdForce(t *testing.T) {
	c := newContainerd(t)
	id := c.detached("sleep 1000 & sleep 1000")
	r := c.try("task", "delete", id)
	require.NotEqual(t, 0, r.status)
	require.Contains(t, r.stderr, "must be stopped before deletion")
	c.ctr("task", "delete", "--force", id)
	_, status := c.task(id)
	require.Empty(t, status)
}

func TestContainerdAgain(t *testing.T) {
	c := newContainerd(t)
	for range 4 {
		require.Equal(t, 3, c.try(c.scriptArgs("same", []string{"--rm"}, "exit 3")...).status)
	}
	// A restarted container keeps its files.
	id, out := c.started("echo start >>/file; cp /file /out/; trap 'exit 3' TERM; : >/out/ready; while :; do sleep 0.01; done")
	c.ctr("task", "kill", id)
	c.becomes(id, "STOPPED")
	c.deleted(id, 3)
	require.NoError(t, os.Remove(out+"/ready"))
	c.ctr("task", "start", "--detach", "--null-io", id)
	until(t, "the container is ready", func() bool {
		_, err := os.Stat(out + "/ready")
		return err == nil
	}, c.log)
	require.Equal(t, "start\nstart", read(t, out+"/file"))
}

func TestContainerdOfMany(t *testing.T) {
	c := newContainerd(t)
	const many = 4
	for range many {
		c.detached("sleep 1000")
	}
	for n := range many {
		require.Equal(t, n, c.exec(fmt.Sprintf("c%d", n+1), fmt.Sprintf("exit %d", n)).status)
	}
	require.Equal(t, many, strings.Count(c.ctr("task", "list"), "RUNNING"))
}

// TestContainerdUnusualCalls makes calls whose failure containerd does not show.
func TestContainerdUnusualCalls(t *testing.T) {
	c := newContainerd(t)
	c.noted()
	create := func(id string) string {
		bundle := "/state/io.containerd.runtime.v2.task/test/" + id
		return "create --bundle " + bundle + " --pid-file " + bundle + "/init.pid " + id
	}
	require.Equal(t, 3, c.run("exit 3").status)
	require.Equal(t, []string{"0 " + create("c1"), "0 start c1", "0 delete c1", "0 delete --force c1"}, c.calls())

	// Without a PID namespace, the runtime kills the remaining processes when the first process has ended.
	require.NoError(t, os.Remove(c.path("noted/calls")))
	r := c.run("sleep 1000 & exit 4", "--with-ns", "pid:/proc/self/ns/pid")
	require.Equal(t, 4, r.status, r.stderr)
	calls := c.calls()
	require.Equal(t, []string{"0 " + create("c2"), "0 start c2"}, calls[:2])
	require.Equal(t, "0 kill --all c2 9", calls[2])
	require.Equal(t, []string{"0 delete c2", "0 delete --force c2"}, calls[3:])

	// The log has the error of create, and nothing is left.
	require.NoError(t, os.Remove(c.path("noted/calls")))
	require.Equal(t, 1, c.try(c.runArgs("c3", []string{"--rm"}, "no-such-command")...).status)
	require.Equal(t, []string{"1 " + create("c3"), "0 delete --force c3"}, c.calls())
}

func TestContainerdShimIsKilled(t *testing.T) {
	c := newContainerd(t)
	id := c.detached("sleep 1000 & sleep 1000")
	pid, _ := c.task(id)
	var shim int
	for _, line := range remains(t) {
		if strings.Contains(line, "containerd-shim-runc-v2 -namespace test -id "+id+" -address "+c.socket) {
			shim = number(t, strings.Fields(line)[1])
		}
	}
	require.NotZero(t, shim, remains(t))
	require.NoError(t, unix.Kill(shim, unix.SIGKILL))
	until(t, "containerd has let the runtime delete the container", func() bool {
		_, status := c.task(id)
		return status == "" && errors.Is(unix.Kill(pid, 0), unix.ESRCH)
	}, c.log)
}

func TestContainerdDaemonStartsAgain(t *testing.T) {
	c := newContainerd(t)
	id := c.detached("sleep 1000")
	c.stop(t)
	c.start("")
	_, status := c.task(id)
	require.Equal(t, "RUNNING", status)
	require.Equal(t, 5, c.exec(id, "exit 5").status)
	// Remove the container while the new daemon runs: it ends before the cleanups of the test.
	c.remove(id)
}
