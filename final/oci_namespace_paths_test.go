//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/final/namespace"
)

// joins makes namespaces of the container those of a process, by their paths.
func (c *bundled) joins(pid int, kinds ...specs.LinuxNamespaceType) {
	for _, kind := range kinds {
		for _, k := range namespace.Kinds {
			if k.Type != kind {
				continue
			}
			n := specs.LinuxNamespace{Type: kind, Path: fmt.Sprintf("/proc/%d/ns/%s", pid, k.File)}
			found := false
			for i := range c.spec.Linux.Namespaces {
				if c.spec.Linux.Namespaces[i].Type == kind {
					c.spec.Linux.Namespaces[i], found = n, true
				}
			}
			if !found {
				c.spec.Linux.Namespaces = append(c.spec.Linux.Namespaces, n)
			}
		}
	}
}

// serving is a command that answers at a port of the loopback interface, has a message queue and a name.
const serving = "touch /dev/mqueue/of-the-first; while :; do echo hello | busybox nc -l -p 4321; done & exec sleep 4321"

// theFirst starts a container that others join, and returns its process 1.
func (c *bundled) theFirst() int {
	c.Helper()
	c.spec.Hostname = "the-first"
	c.spec.Process.Args = []string{"sh", "-c", serving}
	c.started()
	_, pid := c.status()
	c.until(func() bool { return cmdline(pid) == "sleep\x004321\x00" }, func() string { return fmt.Sprintf("%q", cmdline(pid)) })
	return pid
}

// answered asks the first container at its port, as soon as it answers.
const answered = "until busybox nc 127.0.0.1 4321 2>/dev/null; do sleep 0.01; done"

func TestAContainerJoinsNamespacesOfAnother(t *testing.T) {
	c := newBundle(t)
	pid := c.theFirst()
	all := []specs.LinuxNamespaceType{specs.UTSNamespace, specs.NetworkNamespace, specs.IPCNamespace, specs.PIDNamespace, specs.CgroupNamespace}
	other := c.beside()
	other.spec.Hostname = ""
	other.joins(pid, all...)
	assert.Equal(t, "the-first\nof-the-first\nyes\nhello", other.says("busybox hostname; ls /dev/mqueue;"+answer("busybox ps | grep 'sleep [4]321'")+";"+answered))
	theirs := namespacesSeen(t, fmt.Sprint(pid))
	for kind, seen := range namespacesSeen(t, fmt.Sprint(other.stays())) {
		if kind == specs.MountNamespace {
			assert.NotEqual(t, theirs[kind], seen)
		} else {
			assert.Equal(t, theirs[kind], seen, kind)
		}
	}
	require.Equal(t, "the-first", other.exec("busybox hostname"))
	// The end of it is not that of the first.
	require.Equal(t, result{}, other.final("delete", "--force", other.id))
	require.Equal(t, "the-first", c.exec("busybox hostname"))
	// A name of its own is one for both.
	other.spec.Hostname = "renamed"
	require.Equal(t, "renamed", other.says("busybox hostname"))
	require.Equal(t, "renamed", c.exec("busybox hostname"))
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

func TestAContainerJoinsTheMountNamespaceOfAnother(t *testing.T) {
	c := newBundle(t)
	pid := c.stays()
	other := c.beside()
	other.joins(pid, specs.MountNamespace)
	require.NoError(t, os.WriteFile(filepath.Join(other.spec.Root.Path, "of-the-second"), nil, 0o600))
	require.Equal(t, "/of-the-second", other.says("ls -d /of-the-*"))
	require.Equal(t, namespacesSeen(t, fmt.Sprint(pid))[specs.MountNamespace], namespacesSeen(t, fmt.Sprint(other.stays()))[specs.MountNamespace])
	require.Equal(t, result{}, other.final("delete", "--force", other.id))
	// The first has its root and its mounts as before.
	require.Equal(t, "no\nyes", c.exec(answer("ls /of-the-second")+";"+answer("ls /proc/self /dev/null")))
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

// The containers of a pod: one user namespace, to which the others that they share belong.
func TestAPodInAUserNamespace(t *testing.T) {
	c := newBundle(t)
	c.userNamespace()
	pid := c.theFirst()
	for _, joined := range [][]specs.LinuxNamespaceType{
		{specs.UserNamespace, specs.NetworkNamespace, specs.IPCNamespace},
		{specs.UserNamespace, specs.NetworkNamespace, specs.IPCNamespace, specs.UTSNamespace, specs.PIDNamespace},
		{specs.UserNamespace},
	} {
		other := c.beside()
		other.userNamespace()
		other.joins(pid, joined...)
		other.spec.Hostname = ""
		net := strings.Contains(fmt.Sprint(joined), "network")
		script := "id -u; stat -c %u / /bin/busybox; echo >/dev/null; cut -f 2- </proc/self/uid_map | busybox tr -s ' '"
		want := "0\n0\n0\n 0 100000 65536"
		if net {
			script += "; ls /dev/mqueue; " + answered
			want += "\nof-the-first\nhello"
		}
		require.Equal(t, want, other.says(script), "%v", joined)
		theirs, ours := namespacesSeen(t, fmt.Sprint(pid)), namespacesSeen(t, fmt.Sprint(other.stays()))
		for _, k := range namespace.Kinds {
			kind := k.Type
			if kind == specs.TimeNamespace || kind == specs.CgroupNamespace {
				continue
			}
			assert.Equal(t, strings.Contains(fmt.Sprint(joined), string(kind)), theirs[kind] == ours[kind], "%v: %s", joined, kind)
		}
		require.Equal(t, "0", other.exec("id -u"))
		require.Equal(t, result{}, other.final("delete", "--force", other.id))
	}
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

func TestAPodThatSharesItsMountsAndUsers(t *testing.T) {
	c := newBundle(t)
	c.userNamespace()
	pid := c.theFirst()
	other := c.beside()
	other.userNamespace()
	other.joins(pid, specs.UserNamespace, specs.NetworkNamespace, specs.IPCNamespace, specs.MountNamespace)
	require.Equal(t, "0\nof-the-first", other.says("id -u; ls /dev/mqueue"))
	require.Equal(t, "the-first", c.exec("busybox hostname; echo >/dev/null"))
}

func TestAPathThatIsNoNamespaceOfItsTypeIsRefused(t *testing.T) {
	c := newBundle(t, "true")
	pid := c.stays()
	other := c.beside()
	other.spec.Process.Args = []string{"true"}
	fifo := filepath.Join(t.TempDir(), "regular")
	require.NoError(t, os.WriteFile(fifo, nil, 0o600))
	before := other.spec.Linux.Namespaces
	for _, turn := range []struct {
		kind specs.LinuxNamespaceType
		path string
		word string
	}{
		{specs.NetworkNamespace, fmt.Sprintf("/proc/%d/ns/uts", pid), "must be a namespace of type network"},
		{specs.UserNamespace, fmt.Sprintf("/proc/%d/ns/net", pid), "must be a namespace of type user"},
		{specs.MountNamespace, fmt.Sprintf("/proc/%d/ns/pid", pid), "must be a namespace of type mount"},
		{specs.PIDNamespace, fifo, "must be a namespace of type pid"},
		{specs.IPCNamespace, "/not/there", "no such file or directory"},
		{specs.UTSNamespace, t.TempDir(), "must be a namespace of type uts"},
	} {
		other.spec.Linux.Namespaces = append([]specs.LinuxNamespace(nil), before...)
		other.joins(pid, turn.kind)
		for i := range other.spec.Linux.Namespaces {
			if other.spec.Linux.Namespaces[i].Type == turn.kind {
				other.spec.Linux.Namespaces[i].Path = turn.path
			}
		}
		refused(t, other.create(), 1, turn.path, turn.word)
	}
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}
