//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// own are the flags of a container with IDs of its own.
var own = []string{"--userns", "auto"}

// mapsLayers reports whether this kernel maps the IDs of the file system that has the root file system. If not, final says so. In the
// virtual machines this is a tmpfs, which needs Linux 6.3.
func mapsLayers(t *testing.T) bool {
	t.Helper()
	if kernelAtLeast(t, 6, 3) {
		return true
	}
	r := run(t, "true", own...)
	if r.status == 0 {
		return true
	}
	refused(t, r, 125, "--userns auto", "this kernel cannot map the IDs")
	return false
}

// onlyRange gives the host that the trial sees one range of IDs for containers, which starts at a user and a group.
func (c *trial) onlyRange(uid, gid int) {
	c.Helper()
	require.NoError(c, unix.Mount("tmpfs", "/etc", "tmpfs", 0, ""))
	c.Cleanup(func() { require.NoError(c, unix.Unmount("/etc", unix.MNT_DETACH)) })
	require.NoError(c, os.WriteFile("/etc/subuid", fmt.Appendf(nil, "containers:%d:65536\n", uid), 0o644))
	require.NoError(c, os.WriteFile("/etc/subgid", fmt.Appendf(nil, "containers:%d:65536\n", gid), 0o644))
	c.mounts = c.mountTable()
}

func TestEachContainerHasIDsOfItsOwn(t *testing.T) {
	if !mapsLayers(t) {
		return
	}
	seen := map[string]bool{}
	for range 2 {
		c := newTrial(t)
		c.detached(kept, own...)
		c.logged("ready")
		_, pid := c.status()
		maps := [2]string{}
		for i, name := range []string{"uid_map", "gid_map"} {
			content, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
			require.NoError(t, err)
			var inside, first, size int
			_, err = fmt.Sscan(string(content), &inside, &first, &size)
			require.NoError(t, err)
			assert.Equal(t, [2]int{0, 65536}, [2]int{inside, size})
			assert.GreaterOrEqual(t, first, 65536)
			maps[i] = string(content)
		}
		assert.False(t, seen[maps[0]], "the range of another container")
		seen[maps[0]] = true
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		require.NoError(t, err)
		assert.Contains(t, string(status), "\nUid:\t"+strings.Fields(maps[0])[1]+"\t", "root of the container")
	}
}

func TestRootOfAUserNamespaceOwnsItsQueues(t *testing.T) {
	if mapsLayers(t) {
		require.Equal(t, result{"0 0 1777\n", "", 0}, run(t, "stat -c '%u %g %a' /dev/mqueue", own...))
	}
}

func TestARangeIsFreeAgainWhenItsContainerIsGone(t *testing.T) {
	if !mapsLayers(t) {
		return
	}
	c := newTrial(t)
	c.onlyRange(3_000_000, 4_000_000)
	run := func(name string) result {
		return c.final("run", "--rootfs", needRootfs(t), "--userns", "auto", "--name", name, "cat", "/proc/self/uid_map", "/proc/self/gid_map")
	}
	maps := result{"         0    3000000      65536\n         0    4000000      65536\n", "", 0}
	for name, end := range map[string]func(){
		"deleted": func() { require.Equal(t, result{}, c.final("delete", "--force", c.id)) },
		"killed": func() {
			for _, pid := range c.processes() {
				if strings.Contains(cmdline(pid), "monitor") {
					require.NoError(t, unix.Kill(pid, unix.SIGKILL))
				}
			}
			require.Equal(t, result{}, c.final("kill", c.id, "KILL"))
			c.stopped()
			require.Equal(t, result{}, c.final("delete", c.id))
		},
	} {
		c.detached(kept, own...)
		c.logged("ready")
		refused(t, run(c.id+"-2"), 125, "--userns auto", "all 1 ranges of 65536 user IDs are taken")
		end()
		c.nothingLeft()
		require.Equal(t, maps, run(c.id+"-2"), name)
	}

	// run itself is killed, and its guard removes the container.
	cmd := c.call(c.runArgs(own, "/bin/sh", "-c", kept)...)
	output, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = output.Read(make([]byte, 1))
	require.NoError(t, err)
	refused(t, run(c.id+"-2"), 125, "all 1 ranges")
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	c.nothingLeft()
	require.Equal(t, maps, run(c.id+"-2"))
	c.nothingLeft()
}

func TestOwnersAreRightInsideAndNothingIsChowned(t *testing.T) {
	if !mapsLayers(t) {
		return
	}
	dir := rootfsOf(t, map[string]string{"etc/data": "as before\n", "mine/": "", "high": ""})
	require.NoError(t, os.Lchown(filepath.Join(dir, "etc/data"), 7, 8))
	require.NoError(t, os.Lchown(filepath.Join(dir, "mine"), 1000, 1000))
	require.NoError(t, os.Lchown(filepath.Join(dir, "high"), 70000, 0))
	require.NoError(t, os.Chown(dir, 5, 6))
	before := snapshot(t, dir)
	script := "cd /; stat -c '%n %u %g' . etc etc/data mine high etc/hosts; echo more >>etc/data; echo >mine/new; cp /bin/busybox /copy; busybox chown 9:10 /mine/new; " +
		"stat -c '%n %u %g' etc/data mine/new copy; busybox mkdir etc/dir; busybox rmdir etc/dir; busybox rm -r mine; [ -e mine ] || echo removed"
	r := final(t, "run", "--rootfs", dir, "--userns", "auto", "/bin/sh", "-c", script)
	want := ". 5 6\netc 0 0\netc/data 7 8\nmine 1000 1000\nhigh 65534 0\netc/hosts 0 0\netc/data 7 8\nmine/new 9 10\ncopy 0 0\nremoved\n"
	require.Equal(t, result{want, "", 0}, r)
	require.Equal(t, before, snapshot(t, dir))
}

func TestVolumesKeepTheirOwners(t *testing.T) {
	if !mapsLayers(t) {
		return
	}
	c := newBundle(t, "true")
	disk := t.TempDir()
	for _, name := range []string{"file", "below"} {
		require.NoError(t, os.WriteFile(filepath.Join(disk, name), nil, 0o600))
		require.NoError(t, os.Lchown(filepath.Join(disk, name), 7, 8))
	}
	script := "stat -c '%n %u %g' /v/file; cat /v/file; touch /v/new; chown 9 /v/new; touch /r/x 2>/dev/null || echo read-only"
	flags := append([]string{"--volume", disk + ":/v", "--volume", disk + ":/r:ro"}, own...)
	require.Equal(t, result{"/v/file 7 8\nread-only\n", "", 0}, c.final(c.runArgs(flags, "/bin/sh", "-c", script)...))
	require.Equal(t, [2]int{9, 0}, ownerOf(t, filepath.Join(disk, "new")))
	c.nothingLeft()

	refused(t, c.final(c.runArgs([]string{"--userns", "auto", "--volume", "/proc/sys:/v"}, "true")...), 125, "--volume /proc/sys:/v: map the IDs", "this kernel cannot map the IDs of this file system")
	c.nothingLeft()
}

// What a container of run can do, it can do with IDs of its own.
func TestAContainerWithIDsOfItsOwnDoesWhatOthersDo(t *testing.T) {
	if !mapsLayers(t) {
		return
	}
	for name, try := range map[string]struct {
		script string
		flags  []string
		want   string
	}{
		"user":             {"id -u; id -g; id -G; touch /tmp/mine; stat -c %u:%g /tmp/mine", []string{"--user", "1:2"}, "1\n2\n2\n1:2\n"},
		"groups":           {"id -u; id -G", []string{"--user", "daemon"}, "1\n1\n"},
		"init":             {"[ $$ != 1 ] && echo below", []string{"--init"}, "below\n"},
		"terminal":         {"tty; stat -c %u:%g $(tty); [ -t 1 ] && echo terminal; echo >/dev/console", []string{"--tty"}, "/dev/pts/0\n0:5\nterminal\n\n"},
		"tmpfs":            {"touch /t/x; stat -c %u:%a /t /t/x", []string{"--tmpfs", "/t:mode=755"}, "0:755\n0:644\n"},
		"read-only":        {"touch /x 2>/dev/null || echo refused; touch /mytemp/x; touch /dev/shm/x; echo fine", []string{"--read-only"}, "refused\nfine\n"},
		"devices":          {"echo x >/dev/null; head -c 3 /dev/zero | wc -c; head -c 3 /d/zero | wc -c", []string{"--device", "/dev/zero:/d/zero"}, "3\n3\n"},
		"sysctl":           {"cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax", []string{"--sysctl", "net.ipv4.ip_forward=1", "--sysctl", "kernel.msgmax=9000"}, "1\n9000\n"},
		"limits":           {"cat /proc/self/oom_score_adj; ulimit -n", []string{"--oom-score-adj", "9", "--ulimit", "nofile=77"}, "9\n77\n"},
		"capabilities":     {"grep CapEff /proc/self/status; chown 5 /tmp || echo refused", []string{"--cap-drop", "ALL"}, "CapEff:\t0000000000000000\nrefused\n"},
		"hostname":         {"hostname; cat /etc/hostname; echo line >>/etc/hosts; tail -1 /etc/hosts", []string{"--hostname", "box"}, "box\nbox\nline\n"},
		"working dir":      {"pwd; stat -c %u .", []string{"--workdir", "/new/dir"}, "/new/dir\n0\n"},
		"privileged":       {"mount -t tmpfs none /mnt && touch /mnt/x && echo mounted; head -c 3 /dev/zero | wc -c", []string{"--privileged"}, "mounted\n3\n"},
		"network of host":  {"grep -c lo: /proc/net/dev; touch /sys/x 2>/dev/null || ls -d /sys/kernel; ls /sys/fs/cgroup >/dev/null", []string{"--network", "host"}, "1\n/sys/kernel\n"},
		"a small pid list": {"echo one", []string{"--pids", "1"}, "one\n"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTrial(t)
			r := c.final(c.runArgs(append(try.flags, own...), "/bin/sh", "-c", try.script)...)
			assert.Equal(t, try.want, r.stdout, r.stderr)
			c.nothingLeft()
		})
	}
}

func TestExecLogsAndListWithIDsOfItsOwn(t *testing.T) {
	if !mapsLayers(t) {
		return
	}
	c := newTrial(t)
	c.detached("echo ready; read line; echo got $line; exit 5", append([]string{"--interactive"}, own...)...)
	c.logged("ready")
	require.Equal(t, result{"0\n", "", 0}, c.final("exec", c.id, "id", "-u"))
	require.Equal(t, result{"1\n2\n", "", 0}, c.final("exec", "--user", "1:2", c.id, "/bin/sh", "-c", "id -u; id -g"))
	// The kernel says only EINVAL for an ID that the container does not have.
	const only = "the container has only the"
	for _, args := range [][]string{
		{"--user 70000: user 70000: " + only + " users 0 to 65535", "--user", "70000"},
		{"--user 1:70001: group 70001: " + only + " groups 0 to 65535", "--user", "1:70001"},
		{"--additional-gids: additional group 65536: " + only + " groups 0 to 65535", "--additional-gids", "65536"},
	} {
		refused(t, c.final(append(append([]string{"exec"}, args[1:]...), c.id, "true")...), 255, args[0])
	}
	require.Equal(t, result{"65535\n", "", 0}, c.final("exec", "--user", "65535", c.id, "id", "-u"))
	require.Equal(t, result{"terminal\n", "", 0}, c.final("exec", "--tty", c.id, "/bin/sh", "-c", "[ -t 0 ] && echo terminal"))
	require.Equal(t, result{"same\n", "", 0}, c.final("exec", c.id, "/bin/sh", "-c", "[ $(readlink /proc/1/ns/user) = $(readlink /proc/self/ns/user) ] && echo same"))
	require.Contains(t, c.final("list").stdout, c.id)
	require.Contains(t, c.final("ps", c.id).stdout, "read line")
	require.Equal(t, result{}, c.final("kill", c.id, "KILL"))
	c.stopped()
	require.Equal(t, result{"ready\n", "", 0}, c.final("logs", c.id))
	require.Equal(t, result{}, c.final("delete", c.id))
	c.nothingLeft()
}

// The kills of TestFailureAtAnyStageLeavesNothing would take too long a second time.
func TestFailureWithIDsOfItsOwnLeavesNothing(t *testing.T) {
	if !mapsLayers(t) {
		return
	}
	flags := append([]string{"--volume", t.TempDir() + ":/data", "--device", "/dev/null:/dev/mine"}, own...)
	require.NotEmpty(t, places(t, flags, false, "host", "state", "inside", "container"))
}

func TestAContainerWithIDsOfItsOwnHasANetwork(t *testing.T) {
	if !mapsLayers(t) {
		return
	}
	c := newNetTrial(t)
	r := c.final(c.runArgs(append([]string{"--network", "bridge"}, own...), "/bin/sh", "-c", "ls /sys/class/net; cat /etc/resolv.conf; touch /etc/resolv.conf && echo mine")...)
	require.Equal(t, 0, r.status, r.stderr)
	assert.Regexp(t, `^eth0\nlo\n(?s:.*)nameserver (?s:.*)\nmine\n$`, r.stdout)
	c.nothingLeft()
}
