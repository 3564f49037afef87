//go:build linux && engines

package engine

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestDockerLife(t *testing.T) {
	withDocker(t, []dockerTest{
		{"detach and logs", dockerDetach},
		{"create and start", dockerCreate},
		{"stop", dockerStop},
		{"kill", dockerKill},
		{"wait", dockerWait},
		{"remove", dockerRemove},
		{"remove one with processes of the host's", dockerRemoveShared},
		{"restart", dockerRestart},
		{"restart on failure", dockerRestartOnFailure},
		{"health", dockerHealth},
		{"pause", dockerPause},
		{"kill a paused one", dockerKillPaused},
		{"top", dockerTop},
	})
}

// stubborn is a command that only SIGKILL ends.
var stubborn = []string{"sh", "-c", `trap "echo caught" USR1; trap "" TERM INT; echo ready; while :; do sleep 0.01; done`}

func dockerDetach(t *testing.T, d *docker) {
	dir := folder(t)
	script := "echo one; echo two >&2; until [ -e /shared/on ]; do sleep 0.01; done; echo three; exit 3"
	id := d.detached(t, "--volume", dir+":/shared", "small", "sh", "-c", script)
	assert.Len(t, id, 64)
	d.says(t, id, "two\n")
	follow := atTerminal(t, d.command("logs", "--follow", id))
	follow.shows("two")
	file(t, filepath.Join(dir, "on"), "")
	follow.shows("three")
	assert.Equal(t, 0, follow.status())
	assert.Equal(t, result{"one\nthree\n", "two\n", 0}, d.try(t, "logs", id))
	d.becomes(t, id, "{{.State.Status}} {{.State.ExitCode}} {{.State.Pid}}", "exited 3 0")
}

func dockerCreate(t *testing.T, d *docker) {
	id := d.ok(t, onRuntime("create", []string{"small", "sh", "-c", "echo turn; exit 3"})...)
	d.removed(t, id)
	assert.Equal(t, "created", d.inspect(t, id, "{{.State.Status}}"))
	for range 2 {
		assert.Equal(t, result{"turn\n", "", 3}, d.try(t, "start", "--attach", id))
	}
	assert.Equal(t, "turn\nturn\n", d.logs(t, id))
}

func dockerStop(t *testing.T, d *docker) {
	const stay = "; echo ready; while :; do sleep 0.01; done"
	polite := d.detached(t, "small", "sh", "-c", `trap "exit 5" TERM`+stay)
	other := d.detached(t, "--stop-signal", "USR2", "small", "sh", "-c", `trap "exit 6" USR2`+stay)
	deaf := d.detached(t, append([]string{"small"}, stubborn...)...)
	for _, test := range []struct{ id, timeout, status string }{{polite, "60", "5"}, {other, "60", "6"}, {deaf, "1", "137"}} {
		d.says(t, test.id, "ready\n")
		before := time.Now()
		d.ok(t, "stop", "--time", test.timeout, test.id)
		assert.Equal(t, "exited "+test.status, d.inspect(t, test.id, "{{.State.Status}} {{.State.ExitCode}}"))
		if test.id == deaf {
			assert.GreaterOrEqual(t, time.Since(before), time.Second)
		} else {
			assert.Less(t, time.Since(before), time.Minute)
		}
	}
}

func dockerKill(t *testing.T, d *docker) {
	id := d.detached(t, append([]string{"small"}, stubborn...)...)
	d.says(t, id, "ready\n")
	for i, signal := range []string{"USR1", "SIGUSR1", "10"} {
		d.ok(t, "kill", "--signal", signal, id)
		until(t, "the signal is caught", func() bool { return len(d.logs(t, id)) >= len("ready\n")+(i+1)*len("caught\n") },
			func() string { return signal + ": " + d.logs(t, id) })
	}
	d.ok(t, "kill", id)
	d.becomes(t, id, "{{.State.Status}} {{.State.ExitCode}}", "exited 137")
	assert.Contains(t, d.try(t, "kill", id).stderr, "is not running")
}

func dockerWait(t *testing.T, d *docker) {
	id := d.detached(t, "small", "sh", "-c", "until [ -e /over ]; do sleep 0.01; done; exit 9")
	waiting := atTerminal(t, d.command("wait", id))
	d.exec(t, id, "touch", "/over")
	waiting.shows("9\r\n")
	assert.Equal(t, 0, waiting.status())
}

func dockerRemove(t *testing.T, d *docker) {
	id := d.detached(t, append([]string{"small"}, stubborn...)...)
	pid := d.pid(t, id)
	cgroup := filepath.Dir(cgroupFile(t, pid, "pids", "pids.max", "pids.max"))
	assert.DirExists(t, cgroup)
	assert.Contains(t, d.try(t, "rm", id).stderr, "cannot remove a running container")
	d.ok(t, "rm", "--force", id)
	assert.NotContains(t, d.ok(t, "ps", "--all", "--quiet", "--no-trunc"), id)
	assert.ErrorIs(t, unix.Kill(pid, 0), unix.ESRCH)
	assert.NoDirExists(t, cgroup)
	states, err := filepath.Glob(filepath.Join(d.dir, "exec/runtime-*/moby", id))
	require.NoError(t, err)
	assert.Empty(t, states)
}

// Without a PID namespace, the kernel does not end the other processes with process 1. The runtime must.
func dockerRemoveShared(t *testing.T, d *docker) {
	id := d.detached(t, "--pid", "host", "small", "sh", "-c", "sleep 3456 & echo $!; exec sleep 1000")
	d.says(t, id, "\n")
	var other int
	until(t, "its number is in the log", func() bool {
		n, err := strconv.Atoi(d.logs(t, id)[:len(d.logs(t, id))-1])
		other = n
		return err == nil
	}, func() string { return d.logs(t, id) })
	assert.NoError(t, unix.Kill(other, 0))
	d.ok(t, "rm", "--force", id)
	// The other process may be a zombie, which has no memory and no command line.
	until(t, "the other process has ended", func() bool {
		command, err := os.ReadFile("/proc/" + strconv.Itoa(other) + "/cmdline")
		return err != nil || len(command) == 0
	}, func() string { return d.daemon.log() })
}

func dockerRestart(t *testing.T, d *docker) {
	id := d.detached(t, "small", "sh", "-c", "echo turn >>/turns; echo turn; exec sleep 1000")
	d.says(t, id, "turn\n")
	before := d.pid(t, id)
	d.ok(t, "restart", "--time", "0", id)
	d.says(t, id, "turn\nturn\n")
	assert.NotEqual(t, before, d.pid(t, id))
	assert.Equal(t, "turn\nturn", d.exec(t, id, "cat", "/turns"))
}

func dockerRestartOnFailure(t *testing.T, d *docker) {
	id := d.detached(t, "--restart", "on-failure:2", "small", "sh", "-c", "echo turn; exit 3")
	d.becomes(t, id, "{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}", "exited 3 2")
	assert.Equal(t, "turn\nturn\nturn\n", d.logs(t, id))
}

func dockerHealth(t *testing.T, d *docker) {
	id := d.detached(t, "--health-cmd", "cat /tmp/health", "--health-interval", "50ms", "--health-retries", "1",
		"small", "sleep", "1000")
	d.becomes(t, id, "{{.State.Health.Status}}", "unhealthy")
	d.exec(t, id, "sh", "-c", "echo well >/tmp/health")
	d.becomes(t, id, "{{.State.Health.Status}}", "healthy")
	assert.Contains(t, d.inspect(t, id, "{{range .State.Health.Log}}{{.Output}}{{end}}"), "well")
}

// dockerPause sends a signal: it stays pending while the receiving process is frozen.
func dockerPause(t *testing.T, d *docker) {
	id := d.detached(t, append([]string{"small"}, stubborn...)...)
	d.says(t, id, "ready\n")
	pid := d.pid(t, id)
	d.ok(t, "pause", id)
	assert.Equal(t, "paused", d.inspect(t, id, "{{.State.Status}}"))
	require.NoError(t, unix.Kill(pid, unix.SIGUSR1))
	assert.Contains(t, d.try(t, "exec", id, "true").stderr, "is paused")
	pending, err := strconv.ParseUint(statusField(t, pid, "ShdPnd"), 16, 64)
	require.NoError(t, err)
	assert.NotZero(t, pending&(1<<(unix.SIGUSR1-1)), "the signal has been handled")
	assert.NotContains(t, d.logs(t, id), "caught")
	d.ok(t, "unpause", id)
	d.says(t, id, "caught\n")
	assert.Equal(t, "running", d.inspect(t, id, "{{.State.Status}}"))
}

func dockerKillPaused(t *testing.T, d *docker) {
	id := d.detached(t, "small", "sleep", "1000")
	d.ok(t, "pause", id)
	d.ok(t, "rm", "--force", id)
	assert.NotContains(t, d.ok(t, "ps", "--all", "--quiet", "--no-trunc"), id)
}

// sleeps matches the commands of dockerTop.
var sleeps = regexp.MustCompile(`sleep (1000|4567|5678)`)

func dockerTop(t *testing.T, d *docker) {
	id := d.detached(t, "small", "sh", "-c", "sleep 4567 & exec sleep 1000")
	d.ok(t, "exec", "--detach", id, "sleep", "5678")
	d.becomes(t, id, "{{len .ExecIDs}}", "1")
	var top string
	until(t, "all are there", func() bool {
		top = d.ok(t, "top", id, "-o", "pid,args")
		return len(sleeps.FindAllString(top, -1)) == 3
	}, func() string { return top })
	assert.Contains(t, top, strconv.Itoa(d.pid(t, id))+" ")
}
