//go:build linux && engines

package engine

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestContainerdShares(t *testing.T) {
	c := newContainerd(t)
	first := c.detached("hostname pod; sleep 1234", "--cap-add", "CAP_SYS_ADMIN")
	pid, _ := c.task(first)
	var flags []string
	script := ""
	want := ""
	for _, n := range []struct{ name, file string }{{"network", "net"}, {"ipc", "ipc"}, {"uts", "uts"}, {"pid", "pid"}} {
		path := fmt.Sprintf("/proc/%d/ns/%s", pid, n.file)
		link, err := os.Readlink(path)
		require.NoError(t, err)
		flags = append(flags, "--with-ns", n.name+":"+path)
		script += "readlink /proc/self/ns/" + n.file + "; "
		want += link + "\n"
	}
	r := c.run(script+"ps -o args | grep -c '^sleep 1234'; hostname", flags...)
	require.Equal(t, result{want + "1\npod\n", "", 0}, r)
	// The end of the second container must not end the first.
	_, status := c.task(first)
	require.Equal(t, "RUNNING", status)
}

func TestContainerdNamespaceByName(t *testing.T) {
	c := newContainerd(t)
	path := file(t, c.path("pod"), "")
	ok(t, "unshare", "--net="+path, "true")
	defer func() { require.NoError(t, unix.Unmount(path, 0)) }()
	var status unix.Stat_t
	require.NoError(t, unix.Stat(path, &status))
	require.Equal(t, fmt.Sprintf("net:[%d]", status.Ino), c.prints("readlink /proc/self/ns/net", "--with-ns", "network:"+path))
	r := c.run("true", "--with-ns", "network:"+path+"2")
	require.Equal(t, 1, r.status)
	require.Contains(t, r.stderr, path+"2")
}

func TestContainerdNamespacesOfTheHost(t *testing.T) {
	c := newContainerd(t)
	link, err := os.Readlink("/proc/self/ns/net")
	require.NoError(t, err)
	require.Equal(t, link, c.prints("readlink /proc/self/ns/net", "--net-host"))
	require.NotEqual(t, link, c.prints("readlink /proc/self/ns/net"))
}

func TestContainerdUserNamespace(t *testing.T) {
	c := newContainerd(t)
	flags := []string{"--uidmap", "0:100000:65536", "--gidmap", "0:200000:65536"}
	r := c.run(`id -u; id -g; cat /proc/self/uid_map /proc/self/gid_map
stat -c '%u %g' /bin/busybox /home/user; echo 1 >/root/file && stat -c %u /root/file`, flags...)
	require.Equal(t, 0, r.status, r.stderr)
	require.Equal(t, strings.Fields("0 0 0 100000 65536 0 200000 65536 0 0 1000 1000 0"), strings.Fields(r.stdout))

	id := c.detached("sleep 1000", flags...)
	pid, _ := c.task(id)
	require.Equal(t, "100000\t100000\t100000\t100000", statusField(t, pid, "Uid"))
	require.Equal(t, "200000\t200000\t200000\t200000", statusField(t, pid, "Gid"))
	require.Equal(t, result{"1000 1000 user\n", "", 3}, c.exec(id, "echo $(id -u) $(id -g) $(id -un); exit 3", "--user", "user"))
	require.Equal(t, "0 100000 65536\n", c.exec(id, "echo $(cat /proc/self/uid_map)").stdout)

	x := c.onTerminal("tty; read line; echo got $line; exit 3", flags...)
	x.shows("/dev/pts/0")
	x.types("this\n")
	x.shows("got this")
	require.Equal(t, 3, x.status())
}
