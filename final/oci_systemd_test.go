//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestSystemdHasTheCgroupOfAContainer(t *testing.T) {
	for _, named := range []bool{true, false} {
		c := newScope(t, named, "sleep", "1000")
		c.create()
		c.inside(1)
		require.Equal(t, result{}, c.final("start", c.id))
		require.Equal(t, result{}, c.toFiles(c.call("exec", "--detach", c.id, "sleep", "1000")))
		c.inside(2)
		require.Equal(t, []string{"active", filepath.Dir(c.cgroup), "container " + c.id}, c.show("ActiveState", "Slice", "Description"))
		// Each version has a property of its own.
		require.Contains(t, c.show("MemoryMax", "MemoryLimit"), "67108864")
		require.Equal(t, []string{"50", "500ms"}, c.show("TasksMax", "CPUQuotaPerSecUSec"))
		require.Equal(t, []string{"67108864", "50", "25000", "0"}, c.limits())
		var pids []int
		require.NoError(t, json.Unmarshal([]byte(c.final("ps", "--format", "json", c.id).stdout), &pids))
		require.ElementsMatch(t, c.processes(), pids)

		require.Equal(t, result{}, c.final("update", "--memory", "32m", "--pids-limit", "40", "--cpu-quota", "12500", c.id))
		assert.Contains(t, c.show("MemoryMax", "MemoryLimit"), "33554432")
		assert.Equal(t, []string{"40", "250ms"}, c.show("TasksMax", "CPUQuotaPerSecUSec"))
		assert.Equal(t, []string{"33554432", "40", "12500", "0"}, c.limits())

		require.Equal(t, result{}, c.final("pause", c.id))
		refused(t, c.final("exec", c.id, "true"), 255, "paused")
		require.Equal(t, result{}, c.final("resume", c.id))
		require.Equal(t, result{"well\n", "", 0}, c.final("exec", c.id, "echo", "well"))

		require.Equal(t, result{}, c.final("kill", c.id, "KILL"))
		c.stopped()
		require.Equal(t, result{}, c.final("delete", c.id))
		c.nothingLeft()
	}
}

func TestSystemdPausesAllProcesses(t *testing.T) {
	c := newScope(t, true, "sh", "-c", "while :; do echo >>/count; sleep 0.01; done")
	count := func() int {
		text, _ := os.ReadFile(c.in("count"))
		return len(text)
	}
	grows := func(from int) {
		c.until(func() bool { return count() > from }, func() string { return "it does not go on" })
	}
	c.started()
	grows(0)
	require.Equal(t, result{}, c.final("pause", c.id))
	from := count()
	// This takes longer than it would have slept.
	require.Equal(t, result{}, c.final("update", "--pids-limit", "40", c.id))
	require.Equal(t, from, count())
	require.Equal(t, result{}, c.final("resume", c.id))
	grows(from)
	require.Equal(t, result{}, c.final("pause", c.id))
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

func TestSystemdReadsItsUnitsAgainAndLimitsStay(t *testing.T) {
	open := answer("echo >/dev/other") + ";" + answer("echo >/dev/null")
	control := newScope(t, true, "sh", "-c", open)
	control.spec.Linux.Resources.Devices = []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}}
	require.Equal(t, result{"yes\nyes\n", "", 0}, control.run())

	c := newScope(t, true, "sleep", "1000")
	c.started()
	limits := func(when string) {
		t.Helper()
		assert.Equal(t, []string{"67108864", "50", "25000", "0"}, c.limits(), when)
		assert.Equal(t, "no\nyes", c.exec(open), when)
	}
	limits("at first")
	systemctl(t, "daemon-reload")
	limits("after daemon-reload")
	// With one property it writes all that it has.
	systemctl(t, "set-property", "--runtime", c.unit, "TasksMax=51")
	systemctl(t, "set-property", "--runtime", c.unit, "TasksMax=50")
	limits("after set-property")
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

// cgroup_namespaces(7)
func TestSystemdShowsTheContainerItsOwnCgroups(t *testing.T) {
	c := newScope(t, true, "sh", "-c", `
		cd /sys/fs/cgroup
		[ ! -d memory ] || cd memory
		cat memory.max memory.limit_in_bytes 2>/dev/null
		read first <cgroup.procs
		echo $first */
		busybox cut -d: -f3 /proc/self/cgroup | busybox sort -u
		busybox grep '/[.][.]' /proc/self/mountinfo; :`)
	// The root of a tree has no limit, and */ stays what it is if there is no directory.
	require.Equal(t, result{"67108864\n1 */\n/\n", "", 0}, c.run())
	c.nothingLeft()
}

func TestSystemdAndMemoryThatRunsOut(t *testing.T) {
	c := newScope(t, false, "busybox", "tail", "/dev/zero")
	limit := int64(16 << 20)
	c.spec.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &limit, Swap: &limit}
	// On version 2, nobody knows any more why it has ended: with it, its scope goes, and what that has counted.
	require.Equal(t, 137, c.run().status)
	c.nothingLeft()
}

func TestSystemdHasNothingOfACreateThatWasKilled(t *testing.T) {
	needSystemd(t)
	var calls []string
	for index, done := 0, false; !done; index++ {
		t.Run(fmt.Sprint(index), func(t *testing.T) {
			done = true
			c := newScope(t, true, "sleep", "1000")
			c.write()
			create := func(action string) *exec.Cmd {
				cmd := c.call("create", "--bundle", c.dir, c.id)
				cmd.Env = append(cmd.Env, fmt.Sprintf("%s=host %d %s", interruptEnv, index, action))
				return cmd
			}
			if r := c.toFiles(create("fail")); r.status != 0 {
				refused(t, r, 1, errInterrupted.Error())
				done = false
				calls = append(calls, stageOf(r.stderr, c.root, c.id))
				t.Cleanup(func() {
					if t.Failed() {
						t.Log("killed at " + calls[index])
					}
				})
				c.nothingLeft()
				cmd := create(filepath.Join(t.TempDir(), "never"))
				require.NoError(t, cmd.Start())
				c.atStage()
				require.NoError(t, cmd.Process.Kill())
				_ = cmd.Wait()
			}
			require.Equal(t, result{}, c.final("delete", "--force", c.id))
			c.nothingLeft()
		})
	}
	require.Contains(t, strings.Join(calls, "\n"), "StartTransientUnit")
}

func TestSystemdTakesAScopeOnce(t *testing.T) {
	c := newScope(t, true, "sleep", "1000")
	c.started()
	other := &scoped{bundled: c.beside(), path: c.path, cgroup: c.cgroup}
	other.write()
	refused(t, other.final("create", "--bundle", other.dir, other.id), 1, c.unit)
	other.path = "/no/scope"
	other.write()
	refused(t, other.final("create", "--bundle", other.dir, other.id), 1, "linux.cgroupsPath", "slice:prefix:name")
	c.inside(1)
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

func TestSystemdThatDoesNotRun(t *testing.T) {
	c := newBundle(t, "true")
	if _, err := os.Stat(systemdRuns); err == nil {
		// It is hidden: the mounts are the test's own.
		require.NoError(t, unix.Mount("tmpfs", "/run/systemd", "tmpfs", 0, ""))
		c.mounts = c.mountTable()
	}
	for _, path := range []string{"", "workshop.slice:final:" + c.id} {
		c.spec.Linux.CgroupsPath = path
		c.write()
		refused(t, c.final("--systemd-cgroup", "create", "--bundle", c.dir, c.id), 1, "systemd is not running", "--systemd-cgroup")
		refused(t, c.final("--systemd-cgroup", "run", "--bundle", c.dir, c.id), 1, "systemd is not running")
		c.nothingLeft()
	}
}
