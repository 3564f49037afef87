//go:build linux && engines

package engine

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// newUserOfSystemd prepares podman for an ordinary user whom systemd gives cgroups. The machine is not a session of these tests: systemd is
// its process 1.
func newUserOfSystemd(t testing.TB) *podman {
	t.Helper()
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		t.Skip("needs systemd as process 1: make test-systemd ENGINE=podman-rootless")
	}
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err != nil {
		t.Skip("needs cgroups of version 2 only: LAYOUT=v2")
	}
	require.NoError(t, os.MkdirAll(os.TempDir(), 0o755))
	makeUser(t)
	ok(t, "loginctl", "enable-linger", "someone")
	until(t, "the user has a bus", func() bool { _, err := os.Stat(runtimeDir + "/bus"); return err == nil },
		func() string { return try(t, "systemctl", "status", "user@5000.service").stdout })
	p := &podman{t, &user{rootlessRuntime, "systemd"}}
	// Before Linux 6.6 a tmpfs cannot hold the attributes of an overlay in a user namespace.
	p.configure("vfs")
	t.Cleanup(func() {
		p.ok("rm", "--force", "--all", "--time", "0")
		left := func() []string {
			found, err := filepath.Glob("/sys/fs/cgroup/user.slice/user-5000.slice/user@5000.service/*/libpod-*")
			require.NoError(t, err)
			return found
		}
		until(t, "no cgroup is left", func() bool { return len(left()) == 0 }, func() string { return ok(t, "echo", left()...) })
	})
	return p
}

func TestSystemdLimitsPodmanOfAUser(t *testing.T) {
	p := newUserOfSystemd(t)
	limits := []string{"--memory", "64m", "--pids-limit", "50", "--cpus", "0.5"}
	assert.Equal(t, "67108864\n50\n50000 100000\n0::/", p.sh("cd /sys/fs/cgroup; cat memory.max pids.max cpu.max /proc/self/cgroup", limits...))
	p.refused(p.try(shell("tail /dev/zero", "--memory", "32m")...), 137)
	p.refused(p.try(shell("for i in 1 2 3 4 5 6 7 8; do sleep 10 & done", "--pids-limit", "5")...), 2, "resource temporarily unavailable")

	id := p.detached(idle, limits...)
	assert.Equal(t, "67108864", p.ok("exec", id, "cat", "/sys/fs/cgroup/memory.max"))
	p.ok("pause", id)
	assert.Equal(t, "paused", p.inspect(id, "{{.State.Status}}"))
	p.ok("unpause", id)
	p.ok("update", "--memory", "32m", id)
	assert.Equal(t, "33554432", p.ok("exec", id, "cat", "/sys/fs/cgroup/memory.max"))
	p.ok("stop", id)
	p.ok("start", id)
	assert.Equal(t, "running", p.inspect(id, "{{.State.Status}}"))
}
