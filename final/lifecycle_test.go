//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/internal/check"
)

// kept says that what follows in a script is done when the caller says so, or never.
const kept = "echo ready; exec sleep 1000"

// status returns what state says of the container.
func (c *trial) status() (status string, pid int) {
	c.Helper()
	var s struct {
		Status string
		Pid    int
	}
	r := c.final("state", c.id)
	require.Equal(c, 0, r.status, r.stderr)
	require.NoError(c, json.Unmarshal([]byte(r.stdout), &s))
	return s.Status, s.Pid
}

// stopped waits until the container is shown as stopped.
func (c *trial) stopped() {
	c.Helper()
	c.until(func() bool { status, pid := c.status(); return status == "stopped" && pid == 0 }, func() string { return "it is not shown as stopped" })
}

// logged waits until the log has a text.
func (c *trial) logged(text string) {
	c.Helper()
	var r result
	c.until(func() bool { r = c.final("logs", c.id); return strings.Contains(r.stdout, text) }, func() string { return fmt.Sprintf("%q is not in %#v", text, r) })
}

func TestStateAndListShowADetachedContainer(t *testing.T) {
	c := newTrial(t)
	c.detached(kept)
	var state map[string]any
	r := c.final("state", c.id)
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &state))
	for _, key := range []string{"ociVersion", "id", "pid", "status", "bundle", "rootfs", "created"} {
		require.Contains(t, state, key)
	}
	require.Equal(t, c.id, state["id"])
	require.Equal(t, "running", state["status"])
	require.Equal(t, c.first(), int(state["pid"].(float64)))
	keys := []int{strings.Index(r.stdout, `"ociVersion"`), strings.Index(r.stdout, `"id"`), strings.Index(r.stdout, `"pid"`), strings.Index(r.stdout, `"status"`), strings.Index(r.stdout, `"bundle"`)}
	require.IsIncreasing(t, keys)

	lines := strings.Split(c.final("list").stdout, "\n")
	require.Equal(t, []string{"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER", "COMMAND"}, strings.Fields(lines[0]))
	require.Equal(t, []string{c.id, strconv.Itoa(c.first()), "running"}, strings.Fields(lines[1])[:3])
	require.Contains(t, lines[1], "/bin/sh -c "+kept)
	var list []map[string]any
	require.NoError(t, json.Unmarshal([]byte(c.final("list", "--format", "json").stdout), &list))
	require.Len(t, list, 1)
	require.Equal(t, state["pid"], list[0]["pid"])

	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

func TestExecRunsACommandInTheContainer(t *testing.T) {
	c := newTrial(t)
	c.detached(kept, "--env", "ONE=1", "--workdir", "/usr")
	exec := func(args ...string) result {
		t.Helper()
		return c.final(append([]string{"exec"}, args...)...)
	}
	require.Equal(t, result{"out\n", "err\n", 7}, exec(c.id, "/bin/sh", "-c", "echo out; echo err >&2; exit 7"))
	require.Equal(t, 128+int(unix.SIGKILL), exec(c.id, "/bin/sh", "-c", "kill -KILL $$").status)
	require.Equal(t, result{"1 2 /usr 0 0\n", "", 0}, exec("-e", "TWO=2", c.id, "/bin/sh", "-c", "echo $ONE $TWO $PWD $(id -u) $(id -G)"))
	require.Equal(t, result{"/tmp 1 7\n", "", 0}, exec("-w", "/tmp", "-u", "1:7", c.id, "/bin/sh", "-c", "echo $PWD $(id -u) $(id -G)"))
	require.Equal(t, result{"daemon\n", "", 0}, exec("-u", "daemon", c.id, "id", "-un"))
	refused(t, exec("-u", "no-such-user", c.id, "id"), 255, "no-such-user", "/etc/passwd")
	refused(t, exec(c.id, "no-such-command"), 127, "no-such-command")
	refused(t, exec(c.id, "/etc"), 126, "/etc")

	cmd := c.call("exec", "-i", c.id, "cat")
	cmd.Stdin = strings.NewReader("typed\n")
	require.Equal(t, result{"typed\n", "", 0}, outcome(t, cmd))

	// It is where the first process is, and the others see it.
	show := "for n in cgroup ipc mnt net pid uts; do readlink /proc/self/ns/$n; done; cat /proc/self/cgroup"
	r := exec(c.id, "/bin/sh", "-c", show+"; echo; "+strings.ReplaceAll(show, "self", "1"))
	own, first, _ := strings.Cut(r.stdout, "\n\n")
	require.Equal(t, strings.TrimSpace(first), own)
	require.Contains(t, own, "pid:[")
	long := c.call("exec", c.id, "sleep", "4321")
	require.NoError(t, long.Start())
	c.until(func() bool { return strings.Contains(exec(c.id, "ps", "-e", "-o", "args").stdout, "sleep 4321") }, func() string { return "ps in the container does not show it" })
	require.Contains(t, c.final("ps", c.id).stdout, "sleep 4321")
	// It ends with its caller, and the container does not.
	require.NoError(t, long.Process.Kill())
	_ = long.Wait()
	c.until(func() bool { return !strings.Contains(c.final("ps", c.id).stdout, "sleep 4321") }, func() string { return "it is still there" })
	require.Contains(t, c.final("ps", c.id).stdout, "sleep 1000")
}

func TestExecHasNoMoreRightsThanTheContainer(t *testing.T) {
	c := newTrial(t)
	c.detached(kept)
	show := []string{"grep", "-E", "^(Cap...|NoNewPrivs|Seccomp|Seccomp_filters):", "/proc/self/status"}
	first := c.final("exec", c.id, "grep", "-E", show[2], "/proc/1/status")
	require.Contains(t, first.stdout, "Seccomp:\t2")
	require.Equal(t, first, c.final(append([]string{"exec", c.id}, show...)...))
	other := c.final(append([]string{"exec", "-u", "1", c.id}, show...)...)
	require.Contains(t, other.stdout, "CapEff:\t0000000000000000")
	require.Contains(t, other.stdout, "CapPrm:\t0000000000000000")
}

func TestKillSendsTheSignalThatIsNamed(t *testing.T) {
	c := newTrial(t)
	c.detached(`trap "echo got hup" HUP; trap "echo got usr1" USR1; trap "echo got usr2" USR2; trap "echo got term; exit 3" TERM; echo ready; while :; do sleep 0.01; done`)
	c.logged("ready")
	for _, turn := range [][2]string{{"HUP", "hup"}, {"SIGUSR1", "usr1"}, {"12", "usr2"}} {
		require.Equal(t, result{}, c.final("kill", c.id, turn[0]))
		c.logged("got " + turn[1])
	}
	refused(t, c.final("kill", c.id, "NOSUCH"), 1, "NOSUCH", "TERM")
	require.Equal(t, result{}, c.final("kill", c.id, "0"))
	refused(t, c.final("kill", c.id, "65"), 1, `"65"`)
	refused(t, c.final("kill", "no-such-id"), 1, "no-such-id", "does not exist")
	require.Equal(t, result{}, c.final("kill", c.id))
	c.logged("got term")
	c.stopped()
	// It has ended, and a moment later its monitor has noted how.
	var state struct{ Exit *int }
	c.until(func() bool {
		require.NoError(t, json.Unmarshal([]byte(c.final("state", c.id).stdout), &state))
		return state.Exit != nil
	}, func() string { return "no exit status is noted" })
	require.Equal(t, 3, *state.Exit)
	refused(t, c.final("kill", c.id), 1, "container not running", "stopped")
	refused(t, c.final("exec", c.id, "true"), 255, "container not running", "stopped")
	require.Equal(t, result{"[]\n", "", 0}, c.final("ps", "--format", "json", c.id))
}

func TestDeleteWantsTheContainerToHaveEnded(t *testing.T) {
	c := newTrial(t)
	c.detached(kept)
	refused(t, c.final("delete", c.id), 1, c.id, "running", "final kill "+c.id, "delete --force "+c.id)
	require.Equal(t, result{}, c.final("kill", c.id, "KILL"))
	c.stopped()
	require.Equal(t, result{}, c.final("delete", c.id))
	c.nothingLeft()
	for _, verb := range []string{"state", "ps", "logs", "delete", "kill"} {
		refused(t, c.final(verb, c.id), 1, c.id, "does not exist", "final list")
	}
	refused(t, c.final("exec", c.id, "true"), 255, c.id, "does not exist")
	refused(t, c.final("state", "../"+c.id), 1, "container ID")
}

func TestLogsHaveTheOutputOfADetachedContainer(t *testing.T) {
	for name, flags := range map[string][]string{"with pipes": nil, "with a terminal": {"--tty"}} {
		t.Run(name, func(t *testing.T) {
			c := newTrial(t)
			c.detached("echo out; echo err >&2; tty", flags...)
			want := result{"out\nnot a tty\n", "err\n", 0}
			if flags != nil {
				want = result{"out\r\nerr\r\n/dev/pts/0\r\n", "", 0}
			}
			// It ends when the container does, and then all is there.
			require.Equal(t, want, c.final("logs", "--follow", c.id))
			require.Equal(t, want, c.final("logs", c.id))
		})
	}
}

func TestADetachedContainerWithRmIsGoneWhenItEnds(t *testing.T) {
	c := newTrial(t)
	c.detached("true", "--rm")
	c.nothingLeft()
	require.NotContains(t, c.final("list").stdout, c.id)
}

func TestTheOutputOfAContainerThatIsNotDetachedIsInNoLog(t *testing.T) {
	c := newTrial(t)
	cmd := c.call(c.runArgs(nil, "/bin/sh", "-c", kept)...)
	require.NoError(t, cmd.Start())
	defer cmd.Wait()
	defer cmd.Process.Signal(unix.SIGTERM)
	c.until(func() bool { return strings.Contains(c.final("list").stdout, "running") }, func() string { return "it is not listed" })
	refused(t, c.final("logs", c.id), 1, c.id, "no log")
}

func TestTheEndOfTheMonitorIsNotTheEndOfTheContainer(t *testing.T) {
	c := newTrial(t)
	c.detached("echo before; while [ ! -e /go ]; do sleep 0.01; done; : >/gone; exec sleep 1000")
	c.logged("before")
	first := c.first()
	monitor, err := os.FindProcess(parentOf(first))
	require.NoError(t, err)
	require.Contains(t, cmdline(monitor.Pid), "\x00monitor\x00")
	require.NoError(t, monitor.Signal(unix.SIGKILL))
	c.until(func() bool { return parentOf(first) != monitor.Pid }, func() string { return "the monitor is still there" })
	require.Equal(t, result{}, c.final("exec", c.id, "touch", "/go"))
	c.until(func() bool { return c.final("exec", c.id, "test", "-e", "/gone").status == 0 }, func() string { return "it does not go on" })
	// Nobody keeps its log any more, and so there is nothing to wait for.
	require.Equal(t, result{"before\n", "", 0}, c.final("logs", "--follow", c.id))
	require.Contains(t, c.final("list").stdout, "running")
	status, pid := c.status()
	require.Equal(t, "running", status)
	require.Equal(t, first, pid)
	// Nobody is there to note its end, but it is seen.
	require.NoError(t, unix.Kill(first, unix.SIGKILL))
	c.stopped()
	refused(t, c.final("exec", c.id, "true"), 255, "container not running")
	require.Equal(t, result{}, c.final("delete", c.id))
	c.nothingLeft()
}

func TestDetachedContainerDoesNotHoldTheCallersTerminalOrPipes(t *testing.T) {
	c := newTrial(t)
	// Outcome returns when nobody has the other end of the pipes any more.
	c.detached(kept)
	monitor := parentOf(c.first())
	for _, pid := range c.processes() {
		require.NotEqual(t, check.Stat(os.Getpid(), 6), check.Stat(pid, 6), "the session of process %d is ours", pid)
		for fd := range 3 {
			target, _ := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "fd", strconv.Itoa(fd)))
			if strings.HasPrefix(target, "pipe:") {
				// One that the monitor reads.
				require.True(t, hasOpen(monitor, target), "process %d, descriptor %d", pid, fd)
			}
		}
	}
}

// hasOpen reports whether a process has a file open. proc_pid_fd(5)
func hasOpen(pid int, file string) bool {
	links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	return slices.ContainsFunc(links, func(link string) bool { target, _ := os.Readlink(link); return target == file })
}
