//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// For mount(2) all options are one string.
func TestSeveralSettingsInOneOption(t *testing.T) {
	c := newBundle(t)
	dir := c.hostMount(filepath.Join(t.TempDir(), "layers"), 0)
	for _, name := range []string{"one", "two", "upper", "work"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name, name), nil, 0o644))
	}
	require.NoError(t, os.Remove(filepath.Join(dir, "work/work")))
	c.mount("tmpfs", "tmpfs", "/new", "size=1m,mode=700", "nosuid,nodev")
	c.mount("proc", "proc", "/other", "hidepid=2,gid=5")
	c.mount("overlay", "overlay", "/layers", "lowerdir="+dir+"/one:"+dir+"/two,upperdir="+dir+"/upper,workdir="+dir+"/work")
	require.Equal(t, "700 /new\none\ntwo\nupper", c.says("stat -c '%a %n' /new; ls /layers; touch /layers/more"))
	require.FileExists(t, filepath.Join(dir, "upper/more"))
	all := c.shown()
	assert.Contains(t, all["/new"].super, "size=1024k")
	assert.Subset(t, all["/new"].options, []string{"nosuid", "nodev"})
	assert.Contains(t, strings.Join(all["/other"].super, ","), "gid=5,hidepid=")
	c.nothingLeft()
}

func TestARootFileSystemBehindALink(t *testing.T) {
	c := newBundle(t, "true")
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(c.spec.Root.Path, link))
	r := final(t, "run", "--rootfs", link, "--volume", t.TempDir()+":/volume", "/bin/sh", "-c", "ls -d /volume")
	assert.Equal(t, result{"/volume\n", "", 0}, r)
	c.spec.Root.Path = link
	assert.Equal(t, result{}, c.run())
	require.NoError(t, os.Symlink(link, filepath.Join(c.dir, "rootfs")))
	c.spec.Root.Path = "rootfs"
	assert.Equal(t, result{}, c.run())
	assert.Equal(t, result{}, c.run("--no-pivot"))
	c.nothingLeft()
}

func TestAReadOnlyDevHasAConsole(t *testing.T) {
	for _, readOnly := range []bool{false, true} {
		c := newBundle(t, "sh", "-c", answer("touch /dev/new")+"; busybox tty; echo to the console >/dev/console")
		c.spec.Process.Terminal, c.spec.Root.Readonly = true, readOnly
		c.spec.Linux.ReadonlyPaths = append(c.spec.Linux.ReadonlyPaths, "/dev")
		for i, m := range c.spec.Mounts {
			if m.Destination == "/dev" {
				c.spec.Mounts[i].Options = append(m.Options, "ro")
			}
		}
		c.write()
		s := c.listen()
		require.Equal(t, result{}, c.toFiles(c.call("create", "--bundle", c.dir, "--console-socket", s.path, c.id)))
		master := s.terminal()
		require.Equal(t, result{}, c.final("start", c.id))
		s.reads(master, "no\r\n/dev/pts/0\r\nto the console\r\n")
		c.stopped()
		require.Equal(t, result{}, c.final("delete", c.id))
		c.nothingLeft()
	}
}

// A source in the container's own tree is what the mounts before it make it.
func TestASourceInTheContainerSeesTheMountsBeforeIt(t *testing.T) {
	for _, user := range []bool{false, true} {
		for _, mapped := range []bool{false, true} {
			c := newBundle(t)
			if user {
				c.userNamespace()
			}
			root := c.spec.Root.Path
			link := filepath.Join(t.TempDir(), "link")
			require.NoError(t, os.Symlink(root, link))
			source := c.hostMount(filepath.Join(t.TempDir(), "source"), 0)
			require.NoError(t, os.MkdirAll(filepath.Join(source, "a/x"), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(source, "a/x/file"), []byte("of a\n"), 0o644))
			require.NoError(t, os.Chmod(source, 0o700))
			require.NoError(t, os.Symlink("/etc", c.in("leads-out")))
			require.NoError(t, os.WriteFile(c.in("etc/own"), []byte("of the image\n"), 0o644))
			options := []string{"rbind"}
			if mapped {
				if !kernelAtLeast(t, 6, 3) {
					continue
				}
				options = append(options, "idmap")
			}
			inner := func(source, destination string) {
				m := specs.Mount{Type: "bind", Source: source, Destination: destination, Options: options}
				if mapped {
					m.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 65536}}
					m.GIDMappings = m.UIDMappings
				}
				c.spec.Mounts = append(c.spec.Mounts, m)
			}
			c.mount("bind", filepath.Join(source, "a"), "/mnt", "rbind")
			inner(root+"/mnt/x", "/first")
			// By another path, to a file, and to what the host's own path would have led to.
			inner(link+"/mnt/x/file", "/second")
			// The place may be named as on the host, too.
			inner(root+"/mnt", root+"/third")
			c.mount("bind", root+"/leads-out/own", "/fourth", "rbind")
			c.mount("tmpfs", "tmpfs", "/five")
			c.mount("bind", root+"/five", "/six", "bind", "ro")
			require.Equal(t, "of a\nof a\nof a\nof the image", c.says("cat /first/file /second /third/x/file /fourth; touch /five/file; ls /six/file >/dev/null"))
			if mapped {
				want := "0 0"
				if !user {
					want = "100000 100000"
				}
				require.Equal(t, want, c.says("stat -c '%u %g' /first/file"))
			}
			c.nothingLeft()
		}
	}
}

func TestASourceInTheContainerThatIsMissingIsNamed(t *testing.T) {
	c := newBundle(t, "true")
	c.mount("bind", c.in("not-there"), "/data", "rbind")
	refused(t, c.create(), 1, "not-there", "no such file or directory", "/data")
	c.nothingLeft()
}

// mount_namespaces(7), "Restrictions on mount namespaces"
func TestWhatABindMountKeepsOfItsSource(t *testing.T) {
	const source = unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NODIRATIME | unix.MS_NOSYMFOLLOW
	for _, user := range []bool{false, true} {
		c := newBundle(t)
		if user {
			c.userNamespace()
		}
		dir := c.hostMount(filepath.Join(t.TempDir(), "source"), 0)
		require.NoError(t, unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|source, ""))
		c.mounts = c.mountTable()
		c.mount("bind", dir, "/bare", "bind", "rprivate")
		c.mount("bind", dir, "/nosuid", "bind", "nosuid")
		c.mount("bind", dir, "/ro", "bind", "ro", "symfollow")
		c.mount("bind", dir, "/rro", "rbind", "rro")
		all := c.shown()
		every := []string{"ro", "nosuid", "nodev", "noexec", "nodiratime", "nosymfollow"}
		assert.Subset(t, all["/bare"].options, every)
		assert.Subset(t, all["/rro"].options, every)
		locked := every[:5]
		if user {
			assert.Subset(t, all["/nosuid"].options, locked)
			assert.Subset(t, all["/ro"].options, locked)
		} else {
			assert.Equal(t, []string{"rw", "nosuid", "nodiratime", "relatime"}, all["/nosuid"].options)
			assert.Equal(t, []string{"ro", "nodiratime", "relatime"}, all["/ro"].options)
		}
		assert.NotContains(t, all["/nosuid"].options, "nosymfollow")
		for _, word := range []string{"rw", "suid", "dev", "exec", "noatime", "relatime"} {
			c.mount("bind", dir, "/explicit", "bind", word)
			if user {
				refused(t, c.create(), 1, "/explicit", "operation not permitted", "locked")
			} else {
				assert.NotContains(t, c.shown()["/explicit"].options, "no"+word)
			}
			c.spec.Mounts = c.spec.Mounts[:len(c.spec.Mounts)-1]
		}
		c.nothingLeft()
	}
}

func TestAVolumeKeepsWhatItsSourceForbids(t *testing.T) {
	c := newBundle(t)
	dir := c.hostMount(filepath.Join(t.TempDir(), "source"), 0)
	require.NoError(t, unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""))
	c.mounts = c.mountTable()
	for _, flag := range []string{dir + ":/data", dir + ":/data:rw", dir + ":/data:ro"} {
		r := c.final(c.runArgs([]string{"--volume", flag}, "cat", "/proc/self/mountinfo")...)
		require.Equal(t, 0, r.status, r.stderr)
		for _, m := range mountsIn(t, r.stdout) {
			if m.at == "/data" {
				assert.Subset(t, m.options, []string{"ro", "nosuid", "nodev", "noexec"}, flag)
			}
		}
	}
	c.nothingLeft()
}

func TestDevicesOfAUserNamespaceAreDevicesOnly(t *testing.T) {
	c := newBundle(t)
	c.userNamespace()
	all := c.shown()
	for _, name := range []string{"null", "zero", "full", "tty", "random", "urandom"} {
		assert.Subset(t, all["/dev/"+name].options, []string{"nosuid", "noexec"}, name)
	}
}

func TestAPathIsMaskedOnce(t *testing.T) {
	c := newBundle(t)
	require.NoError(t, os.WriteFile(c.in("secret"), []byte("secret"), 0o644))
	require.NoError(t, os.Mkdir(c.in("secrets"), 0o755))
	require.NoError(t, os.Mkdir(c.in("fixed"), 0o755))
	require.NoError(t, os.Symlink("secrets", c.in("link")))
	linux := c.spec.Linux
	linux.MaskedPaths = append(linux.MaskedPaths, "/secret", "/secrets", "//secret", "/secrets/.", "/link")
	linux.ReadonlyPaths = append(linux.ReadonlyPaths, "/fixed", "/proc/sys", "/fixed/", "/proc/sys/kernel")
	count := map[string]int{}
	for _, m := range mountsIn(t, c.says("cat /proc/self/mountinfo; cat /secret /secrets/* 2>/dev/null; true")) {
		count[m.at]++
	}
	for _, place := range []string{"/secret", "/secrets", "/fixed", "/proc/sys"} {
		assert.Equal(t, 1, count[place], place)
	}
	assert.Zero(t, count["/proc/sys/kernel"])
	require.Equal(t, "no\nno\nno", c.says(answer("touch /fixed/x")+";"+answer("touch /secrets/x")+";"+answer("echo x >/proc/sys/kernel/hostname")))
	c.nothingLeft()
}
