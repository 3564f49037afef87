//go:build linux && engines

package engine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestDockerRemapsUsers runs containers whose root is another user on the host. user_namespaces(7)
func TestDockerRemapsUsers(t *testing.T) {
	showCalls(t)
	for _, name := range []string{"/etc/subuid", "/etc/subgid"} {
		before, err := os.ReadFile(name)
		require.True(t, err == nil || errors.Is(err, fs.ErrNotExist), "%v", err)
		file(t, name, "daemon:200000:65536\n")
		t.Cleanup(func() { file(t, name, string(before)) })
	}
	d := newDocker(t, "--userns-remap", "daemon", "--default-runtime", "workshop")
	d.showComplaints(t)
	id := d.detached(t, "--tmpfs", "/tmp", "--memory", "64m", "--sysctl", "net.ipv4.ip_default_ttl=7", "small", "sleep", "1000")
	pid := d.pid(t, id)
	for _, name := range []string{"Uid", "Gid"} {
		assert.Equal(t, []string{"200000", "200000", "200000", "200000"}, strings.Fields(statusField(t, pid, name)))
	}
	const ids = "0 200000 65536"
	assert.Equal(t, ids, strings.Join(strings.Fields(d.exec(t, id, "cat", "/proc/self/uid_map")), " "))
	assert.Equal(t, ids, strings.Join(strings.Fields(d.exec(t, id, "cat", "/proc/self/gid_map")), " "))
	assert.Equal(t, "0\n0\n0", d.exec(t, id, "stat", "-c", "%u", "/etc/passwd", "/tmp", "/root"))
	assert.Equal(t, "1000:1000", d.ok(t, "exec", "--user", "user", id, "sh", "-c", "echo $(id -u):$(id -g)"))
	assert.Equal(t, "00000000a80425fb", strings.Fields(d.exec(t, id, "grep", "CapEff", "/proc/self/status"))[1])
	assert.Equal(t, "7", d.exec(t, id, "cat", "/proc/sys/net/ipv4/ip_default_ttl"))
	d.exec(t, id, "sh", "-c", "echo >/dev/null && hostname && chown 5:5 /tmp && touch /made")
	assert.Contains(t, d.try(t, "exec", id, "mknod", "/tmp/null", "c", "1", "3").stderr, "Operation not permitted")
	gateway := d.inspect(t, id, "{{.NetworkSettings.Gateway}}")
	d.exec(t, id, "ping", "-c", "1", "-W", "10", gateway)

	dir := folder(t)
	assert.Contains(t, d.run(t, "--volume", dir+":/v", "small", "touch", "/v/made").stderr, "Permission denied")
	require.NoError(t, unix.Chown(dir, 201000, 201000))
	d.prints(t, "--user", "user", "--volume", dir+":/v", "small", "touch", "/v/made")
	var made unix.Stat_t
	require.NoError(t, unix.Stat(filepath.Join(dir, "made"), &made))
	assert.Equal(t, uint32(201000), made.Uid)
	assert.Equal(t, "4294967295", strings.Fields(d.prints(t, "--userns", "host", "small", "cat", "/proc/self/uid_map"))[2])
	dockerSession(atTerminal(t, d.command("exec", "--interactive", "--tty", id, "sh")))
	dockerSession(atTerminal(t, d.command(onRuntime("run", []string{"--rm", "--interactive", "--tty", "small", "sh"})...)))
}

// TestDockerRestartsDaemon stops the daemon while containers run, and starts it again.
func TestDockerRestartsDaemon(t *testing.T) {
	showCalls(t)
	d := newDocker(t, "--live-restore", "--default-runtime", "workshop")
	assert.NotEqual(t, "N/A", d.ok(t, "info", "--format", "{{.RuncCommit.ID}}"), "the daemon does not understand --version")
	dir := folder(t)
	script := `trap "exit 6" TERM; echo before; until [ -e /v/after ]; do sleep 0.01; done; echo after; while :; do sleep 0.01; done`
	staying := d.ok(t, "run", "--detach", "--volume", dir+":/v", "small", "sh", "-c", script)
	script = "until [ -e /v/end ]; do sleep 0.01; done; exit 7"
	ending := d.ok(t, "run", "--detach", "--volume", dir+":/v", "small", "sh", "-c", script)
	d.says(t, staying, "before\n")
	pid, other := d.pid(t, staying), d.pid(t, ending)
	d.daemon.stop(t)
	file(t, filepath.Join(dir, "end"), "")
	until(t, "one has ended meanwhile", func() bool { return unix.Kill(other, 0) != nil },
		func() string { return statusField(t, other, "State") })
	d.start(t)
	d.showComplaints(t)
	d.removed(t, staying)
	d.removed(t, ending)
	d.becomes(t, ending, "{{.State.Status}} {{.State.ExitCode}}", "exited 7")
	assert.Equal(t, pid, d.pid(t, staying))
	file(t, filepath.Join(dir, "after"), "")
	d.says(t, staying, "before\nafter\n")
	assert.Equal(t, "workshop", d.inspect(t, staying, "{{.HostConfig.Runtime}}"))
	d.exec(t, staying, "true")
	d.ok(t, "stop", "--time", "60", staying)
	assert.Equal(t, "6", d.inspect(t, staying, "{{.State.ExitCode}}"))
}
