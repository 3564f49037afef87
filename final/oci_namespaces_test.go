//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestRootOfAUserNamespaceIsNobodyOnTheHost(t *testing.T) {
	c := newBundle(t, "sleep", "1000")
	c.userNamespace()
	c.started()
	require.Equal(t, map[string]string{"Uid": "100000 100000 100000 100000", "Gid": "100000 100000 100000 100000"}, statusOf(t,
		c.first(), "Uid", "Gid"))
	require.Equal(t, result{"0 0\n", "", 0}, c.final("exec", c.id, "sh", "-c", "echo $(id -u) $(id -G)"))
	pid := filepath.Join(t.TempDir(), "pid")
	for user, want := range map[string][2]string{"0": {"100000", "100000"}, "5:6": {"100005", "100006"}} {
		require.Equal(t, result{}, c.toFiles(c.call("exec", "--detach", "--pid-file", pid, "--user", user, c.id, "sleep", "1000")))
		number := pidIn(t, pid)
		four := func(id string) string { return strings.TrimSpace(strings.Repeat(id+" ", 4)) }
		require.Equal(t, map[string]string{"Uid": four(want[0]), "Gid": four(want[1])}, statusOf(t, number, "Uid", "Gid"))
		require.Equal(t, namespacesOf(t, c.first()), namespacesOf(t, number))
	}
	require.NotEqual(t, namespacesOf(t, os.Getpid())["user"], namespacesOf(t, c.first())["user"])
	refused(t, c.final("exec", "--user", "65536", c.id, "true"), 255, "65536")

	// With a terminal, which is that user's there.
	x := c.atTerminal("exec", "-t", c.id, "sh", "-c", "id -u; stat -c '%n %u' $(readlink /proc/self/fd/0); exit 4")
	x.shows("0\r\n/dev/pts/0 0\r\n")
	x.shows("status 4.")
	// It has the mark, too.
	require.NoError(t, x.shell.Process.Kill())
	_ = x.shell.Wait()
	p := c.joining("sh", "-c", "sleep 1000")
	p.Terminal = true
	s := c.listen()
	require.Equal(t, result{}, c.toFiles(c.call("exec", "--detach", "--tty", "--pid-file", pid, "--console-socket", s.path,
		"--process", c.asFile(p), c.id)))
	s.terminal()
	require.Contains(t, statusOf(t, pidIn(t, pid), "Uid")["Uid"], "100000 ")
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

// needTime skips what needs time namespaces.
func needTime(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/proc/self/ns/time"); err != nil {
		t.Skipf("needs a kernel with time namespaces: %v", err)
	}
}

// uptime reads the first number of /proc/uptime.
func uptime(t *testing.T, text string) float64 {
	t.Helper()
	number, _, _ := strings.Cut(text, " ")
	seconds, err := strconv.ParseFloat(number, 64)
	require.NoError(t, err, text)
	return seconds
}

// time_namespaces(7)
func TestExecSeesTheTimeOfTheContainer(t *testing.T) {
	c := newBundle(t, "sh", "-c", "cat /proc/uptime >/uptime; exec sleep 1000")
	needTime(t)
	const offset = 10_000_000
	c.spec.Linux.Namespaces = append(c.spec.Linux.Namespaces, specs.LinuxNamespace{Type: specs.TimeNamespace})
	c.spec.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"boottime": {Secs: offset}, "monotonic": {Secs: offset}}
	c.write()
	require.Equal(t, result{}, c.toFiles(c.call("create", "--bundle", c.dir, c.id)))
	require.Equal(t, result{}, c.final("start", c.id))
	var text []byte
	c.until(func() bool { text, _ = os.ReadFile(c.in("uptime")); return len(text) > 0 }, func() string { return "no uptime" })
	host, err := os.ReadFile("/proc/uptime")
	require.NoError(t, err)
	require.Less(t, uptime(t, string(host)), float64(offset))
	require.Greater(t, uptime(t, string(text)), float64(offset))
	r := c.final("exec", c.id, "cat", "/proc/uptime")
	require.Equal(t, 0, r.status, r.stderr)
	require.Greater(t, uptime(t, r.stdout), float64(offset))
	require.NotEqual(t, namespacesOf(t, os.Getpid())["time"], namespacesOf(t, c.first())["time"])
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

func TestNamespacesAreTheHostsOrOthers(t *testing.T) {
	names := map[specs.LinuxNamespaceType]string{specs.NetworkNamespace: "net", specs.IPCNamespace: "ipc",
		specs.UTSNamespace: "uts", specs.PIDNamespace: "pid", specs.CgroupNamespace: "cgroup"}
	host := namespacesOf(t, os.Getpid())
	check := func(c *bundled, shared map[string]string) {
		t.Helper()
		c.started()
		pid := filepath.Join(t.TempDir(), "pid")
		cmd := c.call("exec", "--pid-file", pid, c.id, "sleep", "1000")
		require.NoError(t, cmd.Start())
		c.until(func() bool { _, err := os.Stat(pid); return err == nil }, func() string { return "there is no pid file" })
		_, first := c.status()
		for _, number := range []int{first, pidIn(t, pid)} {
			is := namespacesOf(t, number)
			for _, name := range names {
				if want, ok := shared[name]; ok {
					require.Equal(t, want, is[name])
				} else {
					require.NotEqual(t, host[name], is[name], name)
				}
			}
			require.NotEqual(t, host["mnt"], is["mnt"])
		}
		require.Equal(t, namespacesOf(t, first), namespacesOf(t, pidIn(t, pid)))
		require.Equal(t, result{}, c.final("delete", "--force", c.id))
		_ = cmd.Wait()
		c.nothingLeft()
	}
	c := newBundle(t, "sleep", "1000")
	c.without(specs.NetworkNamespace, specs.IPCNamespace)
	check(c, map[string]string{"net": host["net"], "ipc": host["ipc"]})

	c = newBundle(t, "sleep", "1000")
	c.without(specs.NetworkNamespace, specs.IPCNamespace, specs.PIDNamespace)
	check(c, map[string]string{"net": host["net"], "ipc": host["ipc"], "pid": host["pid"]})

	other := holder(t, unix.CLONE_NEWNET|unix.CLONE_NEWIPC|unix.CLONE_NEWUTS)
	c = newBundle(t, "sleep", "1000")
	shared := map[string]string{}
	for i, n := range c.spec.Linux.Namespaces {
		if n.Type == specs.NetworkNamespace || n.Type == specs.IPCNamespace || n.Type == specs.UTSNamespace {
			c.spec.Linux.Namespaces[i].Path = fmt.Sprintf("/proc/%d/ns/%s", other, names[n.Type])
			shared[names[n.Type]] = namespacesOf(t, other)[names[n.Type]]
		}
	}
	require.Len(t, shared, 3)
	check(c, shared)
}

// Two containers are a pod if the second has namespaces of the first.
func TestAContainerJoinsTheProcessesOfAnother(t *testing.T) {
	one := newBundle(t, "sleep", "1111")
	one.started()
	two := newBundle(t, "sleep", "2222")
	one.mounts = two.mounts
	for i, n := range two.spec.Linux.Namespaces {
		if n.Type == specs.PIDNamespace || n.Type == specs.NetworkNamespace {
			name := map[specs.LinuxNamespaceType]string{specs.PIDNamespace: "pid", specs.NetworkNamespace: "net"}[n.Type]
			two.spec.Linux.Namespaces[i].Path = fmt.Sprintf("/proc/%d/ns/%s", one.first(), name)
		}
	}
	two.started()
	require.NoError(t, os.Symlink("busybox", two.in("bin/ps")))
	r := two.final("exec", two.id, "ps", "-o", "args")
	require.Contains(t, r.stdout, "sleep 1111")
	require.Contains(t, r.stdout, "sleep 2222")
	// Its own end is not that of the other, but the other way round it is.
	require.Equal(t, result{}, two.final("kill", two.id, "KILL"))
	two.stopped()
	status, _ := one.status()
	require.Equal(t, "running", status)
	require.Equal(t, result{}, two.final("delete", two.id))
	two.started()
	require.Equal(t, result{}, one.final("kill", one.id, "KILL"))
	two.stopped()
	one.stopped()
	require.Equal(t, result{}, two.final("delete", two.id))
	require.Equal(t, result{}, one.final("delete", one.id))
	one.nothingLeft()
	two.nothingLeft()
}
