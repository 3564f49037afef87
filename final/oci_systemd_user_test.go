//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/final/cgroup"
)

// startsUser starts the systemd of the user daemon, whom every Debian has. user@.service(5)
func startsUser(t *testing.T) {
	t.Helper()
	needSystemd(t)
	if mode, err := cgroup.Detect(); err != nil || mode != cgroup.V2 {
		t.Skip("needs cgroups of version 2 only: boot with systemd.unified_cgroup_hierarchy=1")
	}
	out, err := exec.Command("systemctl", "start", "user@1.service").CombinedOutput()
	require.NoError(t, err, "%s", out)
	t.Cleanup(func() {
		assert.NoError(t, exec.Command("systemctl", "stop", "user@1.service", "user-runtime-dir@1.service").Run())
	})
}

// The systemd of a user makes scopes in the cgroups that are delegated to the user.
func TestSystemdLimitsTheContainerOfAUser(t *testing.T) {
	startsUser(t)
	// Only who is in a delegated cgroup may move processes there. cgroup-v2.rst, "Delegation Containment"
	dir := "/sys/fs/cgroup/user.slice/user-1.slice/user@1.service/workshop"
	require.NoError(t, os.Mkdir(dir, 0o755))
	t.Cleanup(func() { assert.NoError(t, os.Remove(dir)) })
	c := newNested(t)
	var err error
	c.cgroup, err = os.Open(dir)
	require.NoError(t, err)
	defer c.cgroup.Close()
	c.maps[0].HostID = 1
	c.env = []string{"XDG_RUNTIME_DIR=/run/user/1", "DBUS_SESSION_BUS_ADDRESS="}
	c.spec.Linux.CgroupsPath = "user.slice:final:" + c.id
	c.spec.Linux.Resources = &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: new(int64(64 << 20))}, Pids: &specs.LinuxPids{Limit: new(int64(50))}}
	c.spec.Process.Args = []string{"sh", "-c", "cd /sys/fs/cgroup && cat memory.max pids.max; sleep 1000"}
	r := c.calls(`
		f() { final --systemd-cgroup "$@"; }
		f create --bundle "$BUNDLE" "$ID" >"$BUNDLE/out" 2>&1 </dev/null && f start "$ID" || exit
		f exec "$ID" cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max
		cat /proc/$(cat "$ROOT/$ID/state.json" | sed 's/.*"pid": *\([0-9]*\).*/\1/')/cgroup
		f update --pids-limit 40 "$ID"; f exec "$ID" cat /sys/fs/cgroup/pids.max
		f exec "$ID" sh -c "tail /dev/zero"; echo $?
		f pause "$ID"; f resume "$ID"; f delete --force "$ID"`)
	assert.Equal(t, "67108864\n50\n0::/user.slice/user-1.slice/user@1.service/user.slice/final-"+c.id+".scope\n40\n137\n", r.stdout, r.stderr)
	assert.Empty(t, r.stderr)
	c.nothingLeft()
}

// A user who has logged in types final run, in a cgroup that belongs to the host's root.
func TestSystemdLimitsRunOfAUser(t *testing.T) {
	startsUser(t)
	c := asUser(t, "daemon", 1, "daemon:500000:65536\n")
	c.root, c.person.home = "/run/user/1/container-workshop", "/run/user/1"
	// The kernel lets no user put an overlay on the root directory of the machine, which covers other mounts.
	root := rootfsOf(t, map[string]string{"bin/grep": "-> busybox", "bin/tail": "-> busybox"})
	t.Setenv("ROOTFS", "/run/user/1/rootfs")
	require.NoError(t, exec.Command("cp", "-a", root, os.Getenv("ROOTFS")).Run())
	require.NoError(t, os.Chmod(os.Getenv("ROOTFS"), 0o755))
	c.person.env = []string{"HOME=" + c.person.home, "XDG_RUNTIME_DIR=/run/user/1", "XDG_DATA_HOME=", "DBUS_SESSION_BUS_ADDRESS="}
	limits := []string{"--memory", "32m", "--pids", "17", "--cpus", "0.1"}
	script := `
		cd /sys/fs/cgroup && cat memory.max memory.swap.max pids.max cpu.max
		while grep -q "^nr_throttled 0" cpu.stat; do :; done
		(for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18; do sleep 100 & done) 2>/dev/null || grep max pids.events
		exec tail /dev/zero`
	for _, flags := range [][]string{nil, {"--userns", "keep-id", "--user", "1234"}} {
		r := c.final(c.runArgs(append(flags, limits...), "/bin/sh", "-c", script)...)
		assert.Equal(t, result{"33554432\n0\n17\n10000 100000\nmax 1\n", r.stderr, 137}, r)
		assert.NotContains(t, r.stderr, "warning")
		c.nothingLeft()
	}
	c.detached(kept, "--pids", "17")
	c.logged("ready")
	scope := "0::/user.slice/user-1.slice/user@1.service/user.slice/container-workshop-" + c.id + ".scope\n"
	_, pid := c.status()
	cgroup, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	require.NoError(t, err)
	assert.Equal(t, scope, string(cgroup))
	assert.Equal(t, result{"0::/\n", "", 0}, c.final("exec", c.id, "cat", "/proc/self/cgroup"))
	for _, args := range [][]string{{"update", "--pids-limit", "16", c.id}, {"pause", c.id}, {"resume", c.id}} {
		require.Equal(t, result{}, c.final(args...))
	}
	assert.Equal(t, result{"16\n", "", 0}, c.final("exec", c.id, "cat", "/sys/fs/cgroup/pids.max"))
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()

	// final moves itself, too, if the container keeps the user's ID. Then it still knows who has the name, and a plan moves nobody.
	c.detached(kept, "--userns", "keep-id")
	again := c.runArgs([]string{"--userns", "keep-id"}, "true")
	refused(t, c.final(again...), 125, c.id, "running")
	again[0] = "plan"
	assert.Equal(t, 0, c.final(again...).status)
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
	var units []string
	c.until(func() bool {
		units, _ = filepath.Glob("/sys/fs/cgroup/user.slice/user-1.slice/user@1.service/user.slice/container-workshop-*")
		return len(units) == 0
	}, func() string { return fmt.Sprint(units) })
}
