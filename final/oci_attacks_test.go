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
)

// hostile makes symbolic links in the root file system of the bundle, in place of what was there.
func (c *bundled) hostile(links map[string]string) {
	c.Helper()
	for name, target := range links {
		place := filepath.Join(c.spec.Root.Path, name)
		require.NoError(c, os.RemoveAll(place))
		require.NoError(c, os.Symlink(target, place))
	}
}

// CVE-2019-19921, CVE-2023-27561, CVE-2019-16884
func TestProcAndSysOfABundleAreNoLinks(t *testing.T) {
	for _, name := range []string{"proc", "sys"} {
		c := newBundle(t, "true")
		for _, target := range []string{"/tmp", "../../../../../../tmp", "nowhere"} {
			c.hostile(map[string]string{name: target})
			refused(t, c.create(), 1, "/"+name, "not a symbolic link")
			c.nothingLeft()
		}
	}
	c := newBundle(t, "true")
	c.hostile(map[string]string{"innocent": "/proc"})
	before := c.spec.Mounts
	for _, place := range []string{"/proc/self/attr", "/proc/sys/kernel", "/proc/1", "/innocent", "/innocent/self"} {
		source := t.TempDir()
		c.mount("bind", source, place, "bind")
		refused(t, c.create(), 1, place)
		empty(t, source)
		c.spec.Mounts = before
	}
	// What tells of the machine may be another file, as lxcfs has.
	c.mount("bind", file(t, "meminfo", "ours"), "/proc/meminfo", "bind")
	require.Equal(t, "ours", c.says("cat /proc/meminfo"))
}

// CVE-2021-30465, CVE-2024-45310, CVE-2026-41579
func TestNothingIsMadeOutsideOfABundle(t *testing.T) {
	outside := t.TempDir()
	for _, link := range []string{outside, "../../../../../../../../.." + outside} {
		c := newBundle(t)
		c.hostile(map[string]string{"data": link})
		c.mount("tmpfs", "tmpfs", "/data/tmpfs")
		c.mount("bind", file(t, "file", "x"), "/data/file", "bind")
		c.mount("bind", t.TempDir(), "/data/dir", "bind")
		c.spec.Linux.Devices = []specs.LinuxDevice{{Path: "/data/null", Type: "c", Major: 1, Minor: 3}}
		c.spec.Process.Cwd = "/data/cwd"
		require.Equal(t, "cwd dir file null tmpfs", c.says("echo $(ls "+outside+")"))
		empty(t, outside)

		c = newBundle(t)
		c.hostile(map[string]string{"dev": link})
		r := c.run()
		assert.Contains(t, []int{0, 1}, r.status)
		empty(t, outside)
		c.nothingLeft()
	}
	t.Run("control: a path without a root", func(t *testing.T) {
		dir := rootfsOf(t, map[string]string{"data": "-> " + outside})
		require.NoError(t, os.Mkdir(filepath.Join(dir, "data/made"), 0o755))
		assert.DirExists(t, filepath.Join(outside, "made"))
	})
}

// CVE-2025-31133
func TestABundleCannotChooseWhatMasksAre(t *testing.T) {
	victim := file(t, "victim", "of the host")
	c := newBundle(t)
	c.hostile(map[string]string{"dev/null": victim})
	require.NoError(t, os.WriteFile(filepath.Join(c.spec.Root.Path, "etc/victim"), nil, 0o644))
	script := "stat -c %t:%T /dev/null /etc/victim; cat /etc/victim"
	c.spec.Linux.MaskedPaths = []string{"/etc/victim"}
	require.Equal(t, "1:3\n1:3", c.says(script))
	// Without a /dev of its own.
	dev := func(m specs.Mount) bool { return strings.HasPrefix(m.Destination, "/dev") }
	var mounts []specs.Mount
	for _, m := range c.spec.Mounts {
		if !dev(m) {
			mounts = append(mounts, m)
		}
	}
	c.spec.Mounts = mounts
	refused(t, c.create(), 1, "null already exists as another file")
	unchanged(t, victim, "of the host")
	c.nothingLeft()
}

// CVE-2024-21626
func TestADescriptorIsNoWayOutOfABundle(t *testing.T) {
	c := newBundle(t)
	c.hostile(map[string]string{"link": "/proc/self/fd/9"})
	leaky := func(args ...string) result { return outcome(t, leaking(t, c.call(args...))) }
	places := []string{"/link"}
	for n := range 5 {
		places = append(places, fmt.Sprintf("/proc/self/fd/%d", 2*n+1))
	}
	for _, place := range places {
		c.spec.Process.Cwd, c.spec.Process.Args = place, []string{"cat", "marker"}
		c.write()
		r := leaky("run", "--bundle", c.dir, c.id)
		assert.NotEqual(t, 0, r.status, place)
		assert.Empty(t, r.stdout, place)
	}
	c.spec.Process.Cwd, c.spec.Process.Args = "/", look
	c.write()
	assert.Equal(t, lookedGood, leaky("run", "--bundle", c.dir, c.id).stdout)
	// The control: those that are asked for are there.
	r := leaky("run", "--bundle", c.dir, "--preserve-fds", "2", c.id)
	assert.Equal(t, "0\n1\n2\n3\n4\n5\n", r.stdout, r.stderr)

	c.stays()
	for _, place := range places {
		name := c.joiner(func(p *specs.Process) { p.Cwd, p.Args = place, []string{"cat", "marker"} })
		r := leaky("exec", "--process", name, c.id)
		assert.NotEqual(t, 0, r.status, place)
		assert.Empty(t, r.stdout, place)
	}
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

// hunted starts a container whose command looks for the program of the runtime, to write to it. See huntProgram.
func (c *bundled) hunted(v victim, log string) {
	c.Helper()
	copySelf(c.T, filepath.Join(c.spec.Root.Path, "attack"), 0o755)
	c.spec.Process.Args = []string{"sh", "-c", "exec /attack attack hunt " + v.number + " >" + log}
}

// CVE-2019-5736, CVE-2016-9962
func TestTheProgramCannotBeWrittenWhenItJoinsABundle(t *testing.T) {
	for _, user := range []bool{false, true} {
		v := newVictim(t)
		c := newBundle(t)
		c.hunted(v, "/log")
		if user {
			c.userNamespace()
			// Within its user namespace it may do anything.
			all := []string{"CAP_SYS_PTRACE", "CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE", "CAP_SETUID", "CAP_SETGID", "CAP_CHOWN"}
			c.spec.Process.Capabilities = &specs.LinuxCapabilities{Bounding: all, Permitted: all, Effective: all}
		}
		c.started()
		log := func() string {
			content, _ := os.ReadFile(filepath.Join(c.spec.Root.Path, "log"))
			return string(content)
		}
		c.until(func() bool { return strings.HasPrefix(log(), "ready\n") }, log)
		join := func(args ...string) {
			cmd := v.call(append([]string{"--root", c.root, "exec", c.id}, args...)...)
			cmd.Env = append(cmd.Env, c.mark)
			r := outcome(t, cmd)
			require.Equal(t, 0, r.status, r.stderr)
		}
		for range 5 {
			join("true")
		}
		v.unharmed(t)
		for line := range strings.Lines(log()) {
			assert.Contains(t, []string{"ready\n", "hidden\n"}, line, "in a user namespace: %t", user)
		}
		require.Equal(t, result{}, c.final("delete", "--force", c.id))
		c.nothingLeft()
		v.unharmed(t)
	}
}

// A hook that runs in the container is a program of the image. CVE-2019-5736
func TestTheProgramCannotBeWrittenByAHookOfTheImage(t *testing.T) {
	v := newVictim(t)
	c := newBundle(t, "true")
	script := "echo spoiled >/proc/1/exe; busybox chmod 0 /proc/1/exe; busybox rm -f /proc/1/exe; echo $(ls /proc/self/fd); true"
	c.hook("startContainer", "exec >/tmp/seen 2>&1; "+script)
	c.write()
	cmd := v.call("--root", c.root, "run", "--bundle", c.dir, c.id)
	cmd.Env = append(cmd.Env, c.mark)
	r := outcome(t, cmd)
	require.Equal(t, 0, r.status, r.stderr)
	v.unharmed(t)
	content, err := os.ReadFile(filepath.Join(c.spec.Root.Path, "tmp/seen"))
	require.NoError(t, err)
	require.Contains(t, string(content), "/proc/1/exe", "it has tried")
	require.Contains(t, string(content), "\n0 1 2 3\n", "nothing is open for it")
	c.nothingLeft()
}
