//go:build linux

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"container-workshop/final/container"
)

// What a caller makes of a failure it tells by the words, and some by the exit status.
var failingCommands = []struct {
	command, words string
	status         int
}{
	{"no-such", `exec: "no-such": executable file not found in $PATH`, 127},
	{"/nonexist", `exec: "/nonexist": stat /nonexist: no such file or directory`, 127},
	{"/none/of/it", `exec: "/none/of/it": stat /none/of/it: no such file or directory`, 127},
	{"/data", `exec: "/data": permission denied`, 126},
	{"/etc", `exec: "/etc": `, 126},
	{"/empty", "exec format error", 126},
}

func TestACommandThatCannotBeStartedIsAFailureOfCreate(t *testing.T) {
	for _, m := range failingCommands {
		c := newBundle(t, m.command)
		require.NoError(t, os.WriteFile(c.in("data"), []byte("x"), 0o644))
		require.NoError(t, os.WriteFile(c.in("empty"), nil, 0o755))
		if m.command != "/empty" {
			// Only execve itself sees what a file is not.
			refused(t, c.create(), 1, m.words)
			c.nothingLeft()
			refused(t, c.run("-d"), m.status, m.words)
			c.nothingLeft()
		}
		refused(t, c.run(), m.status, m.words)
		c.nothingLeft()
	}
	c := newBundle(t, "sleep", "1000")
	require.NoError(t, os.WriteFile(c.in("data"), []byte("x"), 0o644))
	require.NoError(t, os.WriteFile(c.in("empty"), nil, 0o755))
	c.started()
	pid := filepath.Join(t.TempDir(), "pid")
	for _, m := range failingCommands {
		refused(t, c.final("exec", c.id, m.command), m.status, m.words)
		process := *c.spec.Process
		process.Args = []string{m.command}
		refused(t, c.final("exec", "--detach", "--pid-file", pid, "--process", c.asFile(&process), c.id), m.status, m.words)
		require.NoFileExists(t, pid)
	}
	require.Len(t, c.processes(), 1)
}

func TestWhatIsWrongWithABundleIsAFailureOfCreate(t *testing.T) {
	for _, m := range []struct {
		name   string
		change func(c *bundled)
		words  []string
	}{
		{"no root file system", func(c *bundled) { c.spec.Root.Path = "/nowhere" }, []string{"/nowhere", "no such file or directory"}},
		{"no such namespace", func(c *bundled) { c.spec.Linux.Namespaces[2].Path = "/proc/0/ns/uts" }, []string{"/proc/0/ns/uts"}},
		{"no such user", func(c *bundled) { c.spec.Process.User.UID = 1<<32 - 1 }, []string{"process.user.uid"}},
		{"no arguments", func(c *bundled) { c.spec.Process.Args = nil }, []string{"process.args"}},
		{"relative cwd", func(c *bundled) { c.spec.Process.Cwd = "tmp" }, []string{"process.cwd", `"tmp"`}},
		{"no mount source", func(c *bundled) { c.spec.Mounts[1].Type, c.spec.Mounts[1].Source = "bind", "/no-source" },
			[]string{"/no-source", "no such file"}},
		{"an unknown mount option", func(c *bundled) { c.spec.Mounts[1].Options = []string{"nosiud"} }, []string{"nosiud"}},
		{"a later major version", func(c *bundled) { c.spec.Version = "2.0.0" }, []string{"ociVersion", "2.0.0"}},
		{"no version", func(c *bundled) { c.spec.Version = "" }, []string{"ociVersion"}},
		{"a cgroup outside", func(c *bundled) { c.spec.Linux.CgroupsPath = "/../x" }, []string{"cgroupsPath"}},
	} {
		c := newBundle(t, "true")
		m.change(c)
		pid := filepath.Join(t.TempDir(), "pid")
		r := c.create("--pid-file", pid)
		require.Equal(t, 1, r.status, m.name)
		refused(t, r, 1, m.words...)
		refused(t, c.run("--pid-file", pid), 1, m.words...)
		require.NoFileExists(t, pid, m.name)
		c.nothingLeft()
	}
	c := newBundle(t, "true")
	refused(t, c.final("create", "--bundle", c.dir, c.id), 1, "config.json", "no such file or directory")
	require.NoError(t, os.WriteFile(c.dir+"/config.json", []byte("{\n\"ociVersion\": 1}"), 0o600))
	refused(t, c.final("create", "--bundle", c.dir, c.id), 1, "config.json", "line 2")
	c.write()
	refused(t, c.final("create", "--bundle", c.dir, "../x"), 1, "../x")
	refused(t, c.final("create", "--bundle", c.dir), 1, "arguments")
	refused(t, c.final("create", "--bundle", c.dir, "--no-such-flag", c.id), 1, "--no-such-flag")
	c.nothingLeft()
}

func TestALaterConfigurationIsAccepted(t *testing.T) {
	c := newBundle(t, "sh", "-c", "echo ran")
	// The root directory is relative to the bundle, wherever the caller is.
	require.NoError(t, os.Rename(c.spec.Root.Path, filepath.Join(c.dir, "rootfs")))
	c.spec.Root.Path = "rootfs"
	for _, version := range []string{"1.0.0", "1.9.0", "1.9.0-rc.1", "1.0.2-dev"} {
		c.spec.Version = version
		require.Equal(t, result{"ran\n", "", 0}, c.run(), version)
	}
	content, err := os.ReadFile(filepath.Join(c.dir, "config.json"))
	require.NoError(t, err)
	// Keys that nobody knows, everywhere.
	later := strings.NewReplacer(`{"ociVersion"`, `{"unknown":{"a":[1]},"ociVersion"`, `"process":{`, `"process":{"unknown":1,`,
		`"linux":{`, `"linux":{"unknown":null,`).Replace(string(content))
	require.Equal(t, 3, strings.Count(later, "unknown"))
	require.True(t, json.Valid([]byte(later)))
	require.NoError(t, os.WriteFile(filepath.Join(c.dir, "config.json"), []byte(later), 0o600))
	require.Equal(t, result{"ran\n", "", 0}, c.final("run", "--bundle", c.dir, c.id))
	// The bundle is the working directory if none is named.
	cmd := c.call("run", "--bundle=.", c.id)
	cmd.Dir = c.dir
	require.Equal(t, result{"ran\n", "", 0}, outcome(t, cmd))
	cmd = c.call("create", c.id)
	cmd.Dir = c.dir
	require.NoError(t, cmd.Run())
	var s container.Public
	require.NoError(t, json.Unmarshal([]byte(c.final("state", c.id).stdout), &s))
	require.Equal(t, []string{c.dir, filepath.Join(c.dir, "rootfs")}, []string{s.Bundle, s.Rootfs})
	require.Equal(t, result{}, c.final("delete", c.id))
	c.nothingLeft()
}
