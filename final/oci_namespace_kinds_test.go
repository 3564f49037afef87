//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/final/namespace"
)

// namespacesSeen returns the namespaces of a process, by their types. namespaces(7)
func namespacesSeen(t *testing.T, process string) map[specs.LinuxNamespaceType]string {
	t.Helper()
	all := map[specs.LinuxNamespaceType]string{}
	for _, k := range namespace.Kinds {
		link, err := os.Readlink("/proc/" + process + "/ns/" + k.File)
		require.NoError(t, err)
		all[k.Type] = link
	}
	return all
}

// namespaces are the new ones that the container is to have.
func (c *bundled) namespaces(kinds ...specs.LinuxNamespaceType) {
	c.spec.Linux.Namespaces = nil
	for _, kind := range kinds {
		c.spec.Linux.Namespaces = append(c.spec.Linux.Namespaces, specs.LinuxNamespace{Type: kind})
	}
	if !slices.Contains(kinds, specs.UTSNamespace) {
		c.spec.Hostname = ""
	}
}

func TestEachNamespaceIsNewOrTheHosts(t *testing.T) {
	own := namespacesSeen(t, "thread-self")
	for _, kind := range []specs.LinuxNamespaceType{
		specs.PIDNamespace, specs.UTSNamespace, specs.IPCNamespace, specs.CgroupNamespace, specs.NetworkNamespace, specs.TimeNamespace, specs.MountNamespace,
	} {
		c := newBundle(t)
		c.namespaces(specs.MountNamespace, kind)
		if kind == specs.MountNamespace {
			c.namespaces(kind)
		}
		for k, theirs := range namespacesSeen(t, fmt.Sprint(c.stays())) {
			if k == kind || k == specs.MountNamespace {
				assert.NotEqual(t, own[k], theirs, "with %s: %s", kind, k)
			} else {
				assert.Equal(t, own[k], theirs, "with %s: %s", kind, k)
			}
		}
		require.Equal(t, result{}, c.final("delete", "--force", c.id))
		c.nothingLeft()
	}
}

func TestAContainerWithoutNamespaces(t *testing.T) {
	c := newBundle(t)
	c.spec.Hostname, c.spec.Linux.Namespaces = "", nil
	if !kernelAtLeast(t, 6, 15) {
		c.spec.Process.Args = []string{"true"}
		r := c.create()
		refused(t, r, 1)
		c.nothingLeft()
		t.Skipf("needs Linux 6.15, to mount in a tree that is mounted nowhere: %s", r.stderr)
	}
	c.mount("tmpfs", "tmpfs", "/place", "size=1m")
	c.mount("tmpfs", "tmpfs", "/tmp", "ro")
	c.mount("bind", file(t, "six", "6"), "/a/file", "bind", "ro")
	pid := c.stays()
	assert.Equal(t, namespacesSeen(t, "thread-self"), namespacesSeen(t, fmt.Sprint(pid)))
	require.Equal(t, c.mounts, c.mountTable())
	script := "cat /a/file;" + answer("touch /place/file") + ";" + answer("touch /a/file") + ";" + answer("touch /tmp/file") + ";" + answer("ls "+c.dir)
	require.Equal(t, "6yes\nno\nno\nno\nyes", c.exec(script+";"+answer("ls /proc/self /sys/fs/cgroup/ /dev/null")))
	// What is told to be read-only and masked is so.
	require.Equal(t, "no\n0", c.exec(answer("echo x >/proc/sys/kernel/hostname")+"; busybox wc -c </proc/keys"))
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

func TestAUserNamespaceOfABundle(t *testing.T) {
	c := newBundle(t)
	c.userNamespace()
	c.spec.Process.User = specs.User{AdditionalGids: []uint32{7}}
	require.NoError(t, os.WriteFile(filepath.Join(c.spec.Root.Path, "another's"), nil, 0o600))
	volume := t.TempDir()
	require.NoError(t, os.Chmod(volume, 0o777))
	c.mount("bind", volume, "/volume", "rbind")
	script := "id -u; id -G; cat /proc/self/uid_map | busybox tr -s ' '; stat -c '%u %g' / /another\\'s /bin/busybox;" +
		answer("echo >/dev/null && head -c 1 /dev/zero && head -c 1 /dev/urandom && echo >/dev/full || [ -w /dev/full ]") +
		"; touch /volume/file /own; busybox chown 5:6 /volume/file /own; busybox hostname;" +
		answer("busybox mknod /own-device c 1 3") + ";" + answer("echo >/dev/shm/x")
	require.Equal(t, "0\n0 7\n 0 100000 65536\n0 0\n65534 65534\n0 0\nyes\ncontainer\nno\nyes", c.says(script))
	require.Equal(t, [2]int{100005, 100006}, ownerOf(t, filepath.Join(volume, "file")))
	require.Equal(t, [2]int{100005, 100006}, ownerOf(t, filepath.Join(c.spec.Root.Path, "own")))

	// Another user than root of it, from the beginning and by exec.
	c.spec.Process.User = specs.User{UID: 1000, GID: 1001}
	pid := c.stays()
	require.Equal(t, "101000\t101000\t101000\t101000", inStatus(t, pid, "Uid"))
	require.Equal(t, "101001\t101001\t101001\t101001", inStatus(t, pid, "Gid"))
	require.Equal(t, "1000 1001", c.exec("echo $(id -u) $(id -g)"))
	require.Equal(t, "3 4\n"+capSets["KILL"], c.execAs(func(p *specs.Process) {
		kill := []string{"CAP_KILL"}
		p.User, p.Capabilities = specs.User{UID: 3, GID: 4}, &specs.LinuxCapabilities{Bounding: kill, Permitted: kill, Effective: kill, Inheritable: kill, Ambient: kill}
	}, "echo $(id -u) $(id -g); grep CapEff /proc/self/status | cut -f 2"))
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

// Process 1 is user 0 of the namespace while it makes the container: there has to be one, or a message.
func TestAUserNamespaceWithoutRoot(t *testing.T) {
	c := newBundle(t, "sh", "-c", "id -u; id -g")
	c.userNamespace()
	maps := []specs.LinuxIDMapping{{ContainerID: 1000, HostID: 100000, Size: 1}}
	c.spec.Linux.UIDMappings, c.spec.Linux.GIDMappings = maps, maps
	c.spec.Process.User = specs.User{UID: 1000, GID: 1000}
	r := c.run()
	if r.status == 0 {
		require.Equal(t, result{"1000\n1000\n", "", 0}, r)
	} else {
		refused(t, r, 1, "linux.uidMappings")
	}
	c.nothingLeft()
}

// time_namespaces(7)
func TestTheClocksOfABundle(t *testing.T) {
	c := newBundle(t)
	c.spec.Linux.Namespaces = append(c.spec.Linux.Namespaces, specs.LinuxNamespace{Type: specs.TimeNamespace})
	c.spec.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"boottime": {Secs: 1000000, Nanosecs: 5}, "monotonic": {Secs: 2000000}}
	pid := c.stays()
	seconds := func(text string) (n float64) {
		_, err := fmt.Sscan(text, &n)
		require.NoError(t, err)
		return n
	}
	host, err := os.ReadFile("/proc/uptime")
	require.NoError(t, err)
	show := "cat /proc/uptime /proc/self/timens_offsets"
	inside := c.exec(show)
	assert.InDelta(t, 1000000, seconds(inside)-seconds(string(host)), 60)
	assert.Equal(t, []string{"monotonic", "2000000", "0", "boottime", "1000000", "5"}, strings.Fields(inside)[2:])
	assert.NotEqual(t, namespacesSeen(t, "thread-self")[specs.TimeNamespace], namespacesSeen(t, fmt.Sprint(pid))[specs.TimeNamespace])

	// Another one joins it, and sees the same.
	other := c.beside()
	other.spec.Linux.Namespaces = append(other.spec.Linux.Namespaces, specs.LinuxNamespace{Type: specs.TimeNamespace, Path: fmt.Sprintf("/proc/%d/ns/time", pid)})
	joined := other.says(show)
	assert.InDelta(t, seconds(inside), seconds(joined), 60)
	assert.Equal(t, strings.Fields(inside)[2:], strings.Fields(joined)[2:])
}
