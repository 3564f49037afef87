//go:build linux

package main

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// exchange changes two files for each other, again and again, until the test ends.
func exchange(t *testing.T, one, other string) {
	t.Helper()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, one, unix.AT_FDCWD, other, unix.RENAME_EXCHANGE)
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-stopped })
}

// Another process shares a volume with the container. It replaces the target of a mount by a link into /proc, between the check and the
// mount.
func TestThePlaceOfAMountIsResolvedOnce(t *testing.T) {
	shared, source := t.TempDir(), t.TempDir()
	place, link := filepath.Join(shared, "a"), filepath.Join(shared, "link")
	require.NoError(t, os.Mkdir(place, 0o755))
	require.NoError(t, os.Symlink("/proc/tty", link))
	exchange(t, place, link)
	for range 60 {
		r := run(t, "while read -r line; do case $line in *' /proc/tty '*) echo mounted there;; esac; done </proc/self/mountinfo",
			"--volume", shared+":/shared", "--volume", source+":/shared/a")
		assert.Contains(t, []int{0, 125}, r.status, r.stderr)
		assert.Empty(t, r.stdout)
	}
	empty(t, source)
}

// The same attack on the target of proc: the link leads to another directory of the container.
func TestThePlaceOfProcIsResolvedOnce(t *testing.T) {
	c := newBundle(t, "sh", "-c", "if [ -e /elsewhere/self ]; then echo proc is elsewhere; fi")
	shared := t.TempDir()
	place, link := filepath.Join(shared, "a"), filepath.Join(shared, "link")
	require.NoError(t, os.Mkdir(place, 0o755))
	require.NoError(t, os.Mkdir(c.in("elsewhere"), 0o755))
	require.NoError(t, os.Symlink("/elsewhere", link))
	c.mount("bind", shared, "/shared", "bind")
	c.mount("proc", "proc", "/shared/a")
	exchange(t, place, link)
	for range 60 {
		r := c.run()
		assert.Contains(t, []int{0, 1}, r.status, r.stderr)
		assert.Empty(t, r.stdout)
	}
}

// The root file system that is looked at is the one that is run.
func TestTheRootFileSystemIsResolvedOnce(t *testing.T) {
	user := func(number string) string {
		return rootfsOf(t, map[string]string{"etc/passwd": "somebody:x:" + number + ":" + number + "::/:/bin/sh\n", "number": number + "\n"})
	}
	one, other := user("1"), user("2")
	exchange(t, one, other)
	for range 40 {
		r := final(t, "run", "--rootfs", one, "--user", "somebody", "/bin/sh", "-c", "id -u; cat /number")
		assert.Contains(t, []result{{"1\n1\n", "", 0}, {"2\n2\n", "", 0}}, r)
	}
}

// A link in the image makes a volume the container's /dev, or the container's /dev the place of a volume.
func TestNoDeviceIsMadeInAVolume(t *testing.T) {
	for name, target := range map[string]string{"data": "/dev", "dev": "/data"} {
		volume := t.TempDir()
		dir := rootfsOf(t, map[string]string{name: "-> " + target, "data/": ""})
		if name == "data" {
			dir = rootfsOf(t, map[string]string{name: "-> " + target})
		}
		r := final(t, "run", "--rootfs", dir, "--volume", volume+":/data", "--device", "/dev/null:/dev/added", "/bin/true")
		refused(t, r, 125, "/dev/null", "is a volume")
		empty(t, volume)
	}
	for _, user := range []bool{false, true} {
		for name, target := range map[string]string{"data": "/dev", "dev": "/data"} {
			c := newBundle(t)
			if user {
				c.userNamespace()
			}
			volume := t.TempDir()
			require.NoError(t, os.Chmod(volume, 0o777))
			require.NoError(t, os.RemoveAll(c.in("dev")))
			c.hostile(map[string]string{name: target})
			c.spec.Linux.MaskedPaths = nil
			c.spec.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/full", Type: "c", Major: 1, Minor: 7}}
			c.mount("bind", volume, "/data", "rbind")
			require.Equal(t, "no", c.says("if [ -e /dev/null ]; then echo yes; else echo no; fi"))
			empty(t, volume)
			c.nothingLeft()
		}
	}
	t.Run("control: no volume", func(t *testing.T) {
		dir := rootfsOf(t, map[string]string{"dev": "-> /data"})
		r := final(t, "run", "--rootfs", dir, "/bin/sh", "-c", "stat -c %F /data/null; echo >/dev/null")
		assert.Equal(t, result{"character special file\n", "", 0}, r)
	})
}

// A device that is asked for in a volume has to be there.
func TestADeviceInAVolumeIsNotMade(t *testing.T) {
	c := newBundle(t, "true")
	volume := t.TempDir()
	c.mount("bind", volume, "/dev/sub", "rbind")
	for _, path := range []string{"/dev/sub/full", "/dev/sub/deeper/full", "/dev/../dev/sub/full"} {
		c.spec.Linux.Devices = []specs.LinuxDevice{{Path: path, Type: "c", Major: 1, Minor: 7}}
		refused(t, c.create(), 1, "full", "volume")
		empty(t, volume)
		c.nothingLeft()
	}
	require.NoError(t, unix.Mknod(filepath.Join(volume, "full"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 7))))
	require.Equal(t, "character special file 600", c.says("stat -c '%F %a' /dev/sub/full"))
}

// A new file system need not be the container's own.
func TestNoDeviceIsMadeInAFileSystemOfTheHost(t *testing.T) {
	c := newBundle(t)
	layers := c.hostMount(filepath.Join(t.TempDir(), "layers"), 0)
	for _, name := range []string{"lower", "upper", "work"} {
		require.NoError(t, os.Mkdir(filepath.Join(layers, name), 0o755))
	}
	c.spec.Linux.MaskedPaths = nil
	c.mount("overlay", "overlay", "/dev", "lowerdir="+layers+"/lower", "upperdir="+layers+"/upper", "workdir="+layers+"/work")
	require.Equal(t, "no", c.says("if [ -e /dev/null ]; then echo yes; else echo no; fi"))
	empty(t, filepath.Join(layers, "upper"))
	c.nothingLeft()
}

// Nor is what a terminal needs.
func TestNoConsoleIsMadeInAVolume(t *testing.T) {
	c := newBundle(t, "sh", "-c", "ls /dev/; busybox tty")
	c.spec.Process.Terminal, c.spec.Linux.MaskedPaths = true, nil
	volume := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(volume, "pts"), 0o755))
	for i, m := range c.spec.Mounts {
		if m.Destination == "/dev" {
			c.spec.Mounts[i] = specs.Mount{Type: "bind", Source: volume, Destination: "/dev", Options: []string{"bind"}}
		}
	}
	c.spec.Mounts = append(c.spec.Mounts[:2:2], c.spec.Mounts[2])
	require.Equal(t, "devpts", c.spec.Mounts[2].Type)
	c.write()
	s := c.listen()
	require.Equal(t, result{}, c.toFiles(c.call("create", "--bundle", c.dir, "--console-socket", s.path, c.id)))
	master := s.terminal()
	require.Equal(t, result{}, c.final("start", c.id))
	s.reads(master, "pts\r\n/dev/pts/0\r\n")
	entries, err := os.ReadDir(volume)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

// The kernel lets a user namespace mount a proc of its own, with nothing masked in it, if one that is whole is in the mount namespace.
func TestNoWholeProcIsInSight(t *testing.T) {
	for _, user := range []bool{false, true} {
		for _, flags := range [][]string{nil, {"--no-pivot"}} {
			c := newBundle(t)
			if user {
				c.userNamespace()
			}
			for _, set := range []*[]string{&c.spec.Process.Capabilities.Bounding, &c.spec.Process.Capabilities.Effective, &c.spec.Process.Capabilities.Permitted} {
				*set = append(*set, "CAP_SETFCAP")
			}
			for _, kind := range []string{"proc", "sysfs"} {
				// Another one, which is not where it is expected, and has another on it.
				place := c.hostMount(filepath.Join(t.TempDir(), "with a space"), 0)
				require.NoError(t, unix.Mount(kind, place, kind, 0, ""))
				c.Cleanup(func() { assert.NoError(t, unix.Unmount(place, unix.MNT_DETACH)) })
				c.mounts = c.mountTable()
				c.spec.Process.Args = []string{"busybox", "unshare", "-mrpf", "--", "busybox", "sh", "-c", "mount -t " + kind + " none /tmp && echo mounted"}
				r := c.run(flags...)
				require.NotEqual(t, 0, r.status, "%v %v", user, flags)
				require.Empty(t, r.stdout)
				require.Contains(t, r.stderr, "mount: ")
				require.Contains(t, r.stderr, "ermi")
				c.nothingLeft()
			}
		}
	}
}

// uncoverRoot unmounts the root directory, goes to what is below it, and looks for a file of the host.
func uncoverRoot(args []string) error {
	runtime.LockOSThread()
	namespace, err := unix.Open("/proc/self/ns/mnt", unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return err
	}
	if err := unix.Unmount("/", unix.MNT_DETACH); err != nil {
		return err
	}
	if err := unix.Setns(namespace, unix.CLONE_NEWNS); err != nil {
		return err
	}
	return unix.Access(args[0], unix.F_OK)
}

// Without pivot_root(2) there is a way out, for who may unmount. It leads to the file system of the host's root directory, where nothing
// is mounted any more.
func TestWithoutPivotRootTheMountsOfTheHostAreGone(t *testing.T) {
	c := newBundle(t)
	copySelf(t, c.in("attack"), 0o755)
	c.mayMount()
	for _, set := range []*[]string{&c.spec.Process.Capabilities.Bounding, &c.spec.Process.Capabilities.Effective, &c.spec.Process.Capabilities.Permitted} {
		*set = append(*set, "CAP_SYS_CHROOT")
	}
	marker := filepath.Join(c.hostMount(filepath.Join(t.TempDir(), "of the host"), 0), "marker")
	require.NoError(t, os.WriteFile(marker, nil, 0o600))
	for file, want := range map[string]string{marker: "ENOENT", "/proc/self": "ENOENT", "/": "done"} {
		c.spec.Process.Args = []string{"/attack", "attack", "uncover", file}
		require.Equal(t, result{want + "\n", "", 0}, c.run("--no-pivot"), file)
	}
	c.nothingLeft()
}
