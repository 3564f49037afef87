//go:build linux

package inside_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/command"
	"container-workshop/internal/needs"
)

// answers is a script that says yes or no for each of some commands.
func answers(commands ...string) string {
	var script strings.Builder
	for _, command := range commands {
		script.WriteString("if { " + command + "; } >/dev/null 2>&1; then echo yes; else echo no; fi\n")
	}
	return script.String()
}

// volume makes a directory with a file in it.
func volume(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), []byte("of the host\n"), 0o644))
	return dir
}

func TestMakeMakesTheTreeThatTheCommandSees(t *testing.T) {
	for name, prepare := range map[string]func(c *container){
		"pivot_root":         func(*container) {},
		"a user namespace":   (*container).userNamespace,
		"an initramfs":       func(c *container) { c.request.NoPivot = true },
		"no mount namespace": func(c *container) { c.request.HostMounts, c.namespaces = true, c.namespaces&^unix.CLONE_NEWNS },
		"a read-only root":   func(c *container) { c.request.Spec.Root.Readonly = true },
	} {
		t.Run(name, func(t *testing.T) {
			c := newContainer(t, "cat /data/file /inner/file /volumes/file /home/me/file; echo $HOME; stat -c '%n %a %u %g' /dev /dev/null /new /tmp;"+answers(
				"echo x >/dev/null", "touch /data/x", "touch /volumes/x", "touch /ro/x", "cat /secrets/secret", "test -s /secret", "touch /fixed/x", "ls "+volume(t),
				"test -d /made/by/cwd", "test -L /dev/fd", "cat /proc/1/cmdline", "ls /sys/kernel"))
			for _, dir := range []string{"secrets", "fixed", "home", "ro"} {
				require.NoError(t, os.Mkdir(c.in(dir), 0o750))
			}
			require.NoError(t, os.WriteFile(c.in("secrets/secret"), []byte("secret"), 0o644))
			require.NoError(t, os.WriteFile(c.in("secret"), []byte("secret"), 0o644))
			require.NoError(t, os.WriteFile(c.in("etc/passwd"), []byte("me:x:0:0::/home/me:/bin/sh\n"), 0o644))
			require.NoError(t, unix.Chmod(c.in("tmp"), 0o1770))
			// The link leads nowhere on the host.
			require.NoError(t, os.Symlink("/data", c.in("volumes")))
			prepare(c)
			if c.request.HostMounts && !kernelAtLeast(t, 6, 15) {
				_, err := c.make()
				require.ErrorContains(t, err, "without a mount namespace, mounts need Linux 6.15 or later")
				t.Skipf("needs Linux 6.15, to mount in a tree that is mounted nowhere: %s", err)
			}
			source := volume(t)
			c.mount("bind", source, "/data", "rbind", "ro")
			c.mount("bind", "/data", "/inner", "bind")
			c.request.Inner = []int{4}
			c.mount("tmpfs", "tmpfs", "/home/me")
			c.mount("bind", filepath.Join(source, "file"), "/home/me/file", "bind")
			c.mount("tmpfs", "tmpfs", "/ro", "ro")
			c.mount("tmpfs", "tmpfs", "/new", "mode=0711")
			c.mount("tmpfs", "tmpfs", "/tmp")
			c.request.Spec.Linux.MaskedPaths = []string{"/secrets", "/secret", "/fixed/none", "/sys"}
			c.request.Spec.Linux.ReadonlyPaths = []string{"/fixed", "/not/there"}
			c.request.Spec.Process.Cwd = "/made/by/cwd"
			want := strings.Repeat("of the host\n", 4) + "/home/me\n/dev 755 0 0\n/dev/null 666 0 0\n/new 711 0 0\n/tmp 1770 0 0\n" + "yes\n" + strings.Repeat("no\n", 7) + "yes\nyes\nyes\nno\n"
			if c.request.UserNamespace {
				// The device is the host's.
				want = strings.Replace(want, "/dev/null 666 0 0", "/dev/null 666 65534 65534", 1)
			}
			assert.Equal(t, want, c.says())
		})
	}
}

func TestFilesThatAreMadeForAUserNamespaceBelongToItsRoot(t *testing.T) {
	c := newContainer(t, "stat -c '%u %g' /a /a/b /file /cwd /dev/fd /dev/pts /tmpfs /tmpfs/x")
	c.userNamespace()
	dir := volume(t)
	c.mount("tmpfs", "tmpfs", "/a/b")
	c.mount("bind", filepath.Join(dir, "file"), "/file", "bind")
	c.mount("tmpfs", "tmpfs", "/tmpfs")
	c.mount("tmpfs", "tmpfs", "/tmpfs/x")
	c.request.Spec.Process.Cwd = "/cwd"
	assert.Equal(t, strings.Repeat("0 0\n", 2)+"65534 65534\n"+strings.Repeat("0 0\n", 5), c.says())
}

// The thread has the rights of the host's root, and must not use them where the kernel would stop the container's root.
func TestNothingIsMadeWhereTheRootOfAUserNamespaceMayNot(t *testing.T) {
	for name, test := range map[string]struct {
		uid, gid int
		mode     uint32
		made     bool
	}{
		"its own":                   {first, first, 0o700, true},
		"another user's in the map": {first + 5, first + 6, 0, true},
		"the host's":                {0, 0, 0o755, false},
		"the host's, for all":       {0, 0, 0o777, true},
		"the host's, for its group": {0, first, 0o770, true},
		"not for its group":         {0, first, 0o707, false},
	} {
		for _, destination := range []string{"/data/new/place", "/link"} {
			c := newContainer(t, "stat -c '%u %g' "+destination)
			require.NoError(t, os.Symlink("/data/new", c.in("link")))
			c.userNamespace()
			dir := volume(t)
			require.NoError(t, errors.Join(os.Chown(dir, test.uid, test.gid), unix.Chmod(dir, test.mode)))
			c.mount("bind", dir, "/data", "rbind")
			c.mount("tmpfs", "tmpfs", destination)
			if test.made {
				assert.Equal(t, "0 0\n", c.says(), name)
				continue
			}
			_, err := c.make()
			assert.ErrorContains(t, err, "mount tmpfs on "+destination+": create /data/new", name)
			assert.ErrorIs(t, err, unix.EACCES, name)
			assert.NoDirExists(t, filepath.Join(dir, "new"), name)
		}
	}
}

// mount_namespaces(7), "Restrictions on mount namespaces"
func TestABindMountInAUserNamespaceKeepsWhatItsSourceForbids(t *testing.T) {
	for _, user := range []bool{false, true} {
		c := newContainer(t, answers("mount -o remount,bind,suid,nodev /data", "mount -o remount,bind,ro,nosuid,nodev /data"))
		if user {
			c.userNamespace()
		}
		needs.OwnMounts(t)
		dir := volume(t)
		require.NoError(t, unix.Mount(dir, dir, "", unix.MS_BIND, ""))
		require.NoError(t, unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_NOSUID|unix.MS_NODEV, ""))
		c.mount("bind", dir, "/data", "rbind")
		want := "yes\nyes\n"
		if user {
			want = "no\nyes\n"
		}
		assert.Equal(t, want, c.says())
	}
}

func TestATerminalIsTheContainersOwn(t *testing.T) {
	for _, user := range []bool{false, true} {
		c := newContainer(t, "tty; stat -c '%u %t:%T' /dev/console /dev/pts/0; echo to the console >/dev/console")
		c.request.Spec.Process.Terminal = true
		if user {
			c.userNamespace()
		}
		c.request.Size, c.request.Plain = &unix.Winsize{Row: 12, Col: 34}, true
		made, err := c.make()
		require.NoError(t, err)
		defer unix.Close(made.Master)
		size, err := unix.IoctlGetWinsize(made.Master, unix.TIOCGWINSZ)
		require.NoError(t, err)
		assert.Equal(t, [2]uint16{12, 34}, [2]uint16{size.Row, size.Col})
		o := orders{Terminal: true, Cwd: "/", Path: made.Command, Args: c.request.Spec.Process.Args, Env: []string{"PATH=/bin"}}
		require.NoError(t, send(c.socket, o, c.request.Root, made.Slave))
		_ = c.cmd.Wait()
		unix.Close(made.Slave)
		text, part := "", make([]byte, 1000)
		for {
			n, err := unix.Read(made.Master, part)
			if err != nil {
				// Nobody has the other end open any more, and all is read.
				require.ErrorIs(t, err, unix.EIO)
				break
			}
			text += string(part[:n])
		}
		assert.Equal(t, "/dev/pts/0\n0 88:0\n0 88:0\nto the console\n", text)
	}
}

func TestAStreamOfTheHostIsTheContainersNull(t *testing.T) {
	host, err := unix.Open("/dev/null", unix.O_WRONLY|unix.O_APPEND|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(host)
	c := newContainer(t, "true")
	c.request.Streams = [3]int{-1, host, 2}
	made, err := c.make()
	require.NoError(t, err)
	assert.Equal(t, -1, made.Null[2], "it is no null device")
	var own, theirs unix.Stat_t
	require.NoError(t, unix.Fstat(host, &theirs))
	for number, want := range []int{unix.O_RDWR, unix.O_WRONLY | unix.O_APPEND} {
		require.NoError(t, unix.Fstat(made.Null[number], &own))
		assert.NotEqual(t, theirs.Dev, own.Dev, "it is another node")
		assert.Equal(t, theirs.Rdev, own.Rdev)
		flags, err := unix.FcntlInt(uintptr(made.Null[number]), unix.F_GETFL, 0)
		require.NoError(t, err)
		assert.Equal(t, want, flags&(unix.O_ACCMODE|unix.O_APPEND))
		unix.Close(made.Null[number])
	}
}

// The thread, as a hook in the mount namespace of the container, sees its mounts by their paths on the host.
func TestHooksComeWhenEverythingIsMounted(t *testing.T) {
	c := newContainer(t, "cat /tmp/hook")
	c.mount("tmpfs", "tmpfs", "/tmp")
	c.request.Mounted = func() error { return os.WriteFile(c.in("tmp/hook"), []byte("by the hook"), 0o600) }
	assert.Equal(t, "by the hook", c.says())
	assert.Error(t, unix.Access(c.in("tmp/hook"), unix.F_OK), "the host does not see the mount")
}

func TestAFailureNamesTheCallAndItsOperands(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(c *container)
		words   string
		status  int
	}{
		"a source":  {func(c *container) { c.mount("bind", "/not/there", "/data", "rbind") }, "mounts[3]: clone the mount of /not/there: no such file or directory", 125},
		"over proc": {func(c *container) { c.mount("bind", "/tmp", "/proc/tty", "rbind") }, "mount bind on /proc/tty: nothing can be mounted in /proc", 125},
		"a read-only place": {func(c *container) {
			c.request.Spec.Process.Cwd, c.request.Spec.Linux.ReadonlyPaths = "/tmp/new", []string{"/tmp"}
		}, "working directory /tmp/new: create /tmp/new: read-only file system", 125},
		"a directory": {func(c *container) { c.request.Spec.Process.Cwd = "/bin/sh/x" }, "", 0},
		"a command":   {func(c *container) { c.request.Spec.Process.Args = []string{"none"} }, `exec: "none": executable file not found in $PATH of the container`, 127},
		"a hook":      {func(c *container) { c.request.Mounted = func() error { return unix.EDOM } }, "numerical argument out of domain", 125},
	} {
		t.Run(name, func(t *testing.T) {
			c := newContainer(t, "true")
			test.prepare(c)
			made, err := c.make()
			if test.words == "" {
				require.NoError(t, err, "chdir says so")
				assert.Equal(t, "/bin/sh", made.Command)
				return
			}
			require.ErrorContains(t, err, test.words)
			assert.Equal(t, test.status, command.Status(err))
		})
	}
}

func TestADeviceOfTheConfigurationIsMade(t *testing.T) {
	mode := os.FileMode(0o640)
	id := uint32(7)
	c := newContainer(t, "stat -c '%t:%T %a %u' /dev/mine /dev/null /dev/tty")
	c.request.Spec.Linux.Devices = []specs.LinuxDevice{
		{Path: "/dev/mine", Type: "c", Major: 1, Minor: 5, FileMode: &mode, UID: &id}, {Path: "/dev/null", Type: "c", Major: 1, Minor: 3, FileMode: &mode},
	}
	assert.Equal(t, "1:5 640 7\n1:3 640 0\n5:0 666 0\n", c.says())
}
