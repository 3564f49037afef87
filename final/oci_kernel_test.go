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
	"golang.org/x/sys/unix"
)

// kernelAtLeast reports whether the kernel is that version or a later one.
func kernelAtLeast(t *testing.T, major, minor int) bool {
	t.Helper()
	var name unix.Utsname
	require.NoError(t, unix.Uname(&name))
	var version [2]int
	_, err := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &version[0], &version[1])
	require.NoError(t, err)
	return version[0] > major || version[0] == major && version[1] >= minor
}

func TestTheFileSystemsOfTheKernel(t *testing.T) {
	for _, user := range []bool{false, true} {
		c := newBundle(t)
		if user {
			c.userNamespace()
		}
		all := c.shown()
		for place, kind := range map[string]string{
			"/proc": "proc", "/sys": "sysfs", "/dev": "tmpfs", "/dev/pts": "devpts", "/dev/mqueue": "mqueue", "/dev/shm": "tmpfs",
		} {
			assert.Equal(t, kind, all[place].kind, place)
		}
		assert.Contains(t, all["/dev/pts"].super, "ptmxmode=666")
		assert.Contains(t, all["/sys"].options, "ro")
		assert.Equal(t, "shm", all["/dev/shm"].source)
		writes := answer("touch /dev/mqueue/queue") + ";" + answer("! touch /sys/file")
		assert.Equal(t, "ptmx\nlo\nyes\nyes\n1", c.says("ls /dev/pts; ls /sys/class/net;"+writes+"; ls /proc | grep '^[0-9]' | sort -n | head -1"))
	}
}

// mknod(2)
func TestTheDevicesOfABundle(t *testing.T) {
	c := newBundle(t)
	mode, uid, gid := os.FileMode(0o640), uint32(3), uint32(4)
	all := os.FileMode(0o622)
	c.spec.Linux.Devices = []specs.LinuxDevice{
		{Path: "/dev/mine", Type: "c", Major: 1, Minor: 5, FileMode: &mode, UID: &uid, GID: &gid},
		{Path: "/dev/deep/er", Type: "u", Major: 1, Minor: 3, FileMode: &all},
		{Path: "/else/where", Type: "b", Major: 7, Minor: 0, FileMode: &mode},
		{Path: "/dev/fifo", Type: "p", FileMode: &all, GID: &gid},
		{Path: "/dev/null", Type: "c", Major: 1, Minor: 3, FileMode: &all},
	}
	require.Equal(t, strings.Join([]string{
		"character special file 640 3 4 1:5", "character special file 622 0 0 1:3", "block special file 640 0 0 7:0", "fifo 622 0 4 0:0",
	}, "\n"), c.says("stat -c '%F %a %u %g %t:%T' /dev/mine /dev/deep/er /else/where /dev/fifo"))
	// Those that each container has are there without a word, and links.
	script := "cd /dev; echo $(stat -c %t:%T null zero full random urandom tty); for l in fd stdin stdout stderr ptmx; do busybox readlink $l; done;"
	script += answer("echo >/dev/null && head -c 3 /dev/zero && head -c 3 /dev/urandom && echo >/dev/deep/er")
	require.Equal(t, "1:3 1:5 1:7 1:8 1:9 5:0\n/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\nyes", c.says(script))
	c.nothingLeft()
}

// What the configuration says of one that each container has, holds.
func TestADeviceThatEachContainerHasCanBeAnothersOwn(t *testing.T) {
	c := newBundle(t)
	mode, uid, gid := os.FileMode(0o640), uint32(3), uint32(4)
	c.spec.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/zero", Type: "c", Major: 1, Minor: 5, FileMode: &mode, UID: &uid, GID: &gid}}
	require.Equal(t, "640 3 4", c.says("stat -c '%a %u %g' /dev/zero"))
}

func TestMaskedAndReadOnlyPaths(t *testing.T) {
	c := newBundle(t)
	for name, content := range map[string]string{"secret/file": "hidden", "file": "hidden", "ro/file": "seen", "real": "hidden"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(c.spec.Root.Path, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(c.spec.Root.Path, name), []byte(content), 0o666))
	}
	require.NoError(t, os.Symlink("real", filepath.Join(c.spec.Root.Path, "link")))
	script := "cat /file /link; ls /secret; cat /ro/file;" + answer("echo >/ro/file") + ";" + answer("touch /secret/more") + ";" +
		answer("echo >/proc/sys/kernel/hostname")
	require.Equal(t, "hiddenhiddenfile\nseenyes\nyes\nno", c.says(script), "control")
	require.NoError(t, os.WriteFile(filepath.Join(c.spec.Root.Path, "ro/file"), []byte("seen"), 0o666))
	c.spec.Linux.MaskedPaths = []string{"/not/there", "/file/not/there", "/file", "/secret", "/link"}
	c.spec.Linux.ReadonlyPaths = []string{"/not/there", "/ro", "/proc/sys", "/file/neither"}
	require.Equal(t, "seenno\nno\nno", c.says(script))
	unchanged(t, filepath.Join(c.spec.Root.Path, "file"), "hidden")
	c.nothingLeft()
}

// sysctl(8)
func TestTheSettingsOfTheKernel(t *testing.T) {
	c := newBundle(t)
	c.spec.Linux.Sysctl = map[string]string{
		"net.ipv4.ip_forward": "1", "kernel.shm_rmid_forced": "1", "fs.mqueue.msg_max": "7", "net/ipv4/conf/lo/log_martians": "1", "kernel.domainname": "by.sysctl",
	}
	names := []string{"net/ipv4/ip_forward", "kernel/shm_rmid_forced", "fs/mqueue/msg_max", "net/ipv4/conf/lo/log_martians", "kernel/domainname"}
	read := func() string {
		text := ""
		for _, name := range names {
			content, err := os.ReadFile("/proc/sys/" + name)
			require.NoError(t, err)
			text += string(content)
		}
		return text
	}
	before := read()
	require.Equal(t, "1\n1\n7\n1\nby.sysctl", c.says("cd /proc/sys; cat "+strings.Join(names, " ")))
	require.Equal(t, before, read())
	c.spec.Linux.Sysctl = map[string]string{"net.no_such_setting": "1"}
	refused(t, c.create(), 1, "the kernel has no /proc/sys/net/no_such_setting")
	c.spec.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "no number"}
	refused(t, c.create(), 1, "no number", "/proc/sys/net/ipv4/ip_forward")
	c.nothingLeft()
}

func TestTheNamesOfAContainer(t *testing.T) {
	c := newBundle(t)
	before, err := os.Hostname()
	require.NoError(t, err)
	c.spec.Hostname, c.spec.Domainname = "of-the-container", "its.domain"
	require.Equal(t, "of-the-container\nits.domain", c.says("busybox hostname; cat /proc/sys/kernel/domainname"))
	c.spec.Hostname, c.spec.Domainname = "", ""
	require.Equal(t, before, c.says("busybox hostname"))
}
