//go:build linux

package main

import (
	"os"
	"os/exec"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/final/cgroup"
)

// The systemd of a user makes scopes in the cgroups that are delegated to the user. The user is daemon, whom every Debian has.
// user@.service(5)
func TestSystemdLimitsTheContainerOfAUser(t *testing.T) {
	needSystemd(t)
	if mode, err := cgroup.Detect(); err != nil || mode != cgroup.V2 {
		t.Skip("needs cgroups of version 2 only: boot with systemd.unified_cgroup_hierarchy=1")
	}
	out, err := exec.Command("systemctl", "start", "user@1.service").CombinedOutput()
	require.NoError(t, err, "%s", out)
	t.Cleanup(func() {
		assert.NoError(t, exec.Command("systemctl", "stop", "user@1.service", "user-runtime-dir@1.service").Run())
	})

	// Only who is in a delegated cgroup may move processes there. cgroup-v2.rst, "Delegation Containment"
	dir := "/sys/fs/cgroup/user.slice/user-1.slice/user@1.service/workshop"
	require.NoError(t, os.Mkdir(dir, 0o755))
	t.Cleanup(func() { assert.NoError(t, os.Remove(dir)) })
	c := newNested(t)
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
