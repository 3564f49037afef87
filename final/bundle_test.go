//go:build linux

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/capability"
	"container-workshop/final/spec"
)

// A bundled is a trial with a bundle: a small root file system, and a configuration of somebody else's.
type bundled struct {
	*trial
	dir  string
	spec *specs.Spec
}

// newBundle makes a bundle for a command, with a root directory that can be written to.
func newBundle(t *testing.T, args ...string) *bundled {
	t.Helper()
	c := &bundled{trial: newTrial(t), dir: t.TempDir(), spec: spec.Template(false, 0, 0)}
	c.spec.Root.Path, c.spec.Root.Readonly = rootfsOf(t, nil), false
	c.spec.Process.Terminal, c.spec.Process.Args = false, args
	rights := capability.Default
	c.spec.Process.Capabilities = capability.Sets{Bounding: rights, Effective: rights, Permitted: rights}.Spec()
	c.spec.Process.Env = append(c.spec.Process.Env, c.mark)
	c.spec.Linux.CgroupsPath = "/container-workshop-" + c.id
	return c
}

// userNamespace gives the container a user namespace of its own, and the root file system to its root.
func (c *bundled) userNamespace() {
	c.Helper()
	const first, size = 100000, 65536
	c.spec.Linux.Namespaces = append(c.spec.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	maps := []specs.LinuxIDMapping{{ContainerID: 0, HostID: first, Size: size}}
	c.spec.Linux.UIDMappings, c.spec.Linux.GIDMappings = maps, maps
	var root unix.Stat_t
	require.NoError(c, unix.Stat(c.spec.Root.Path, &root))
	require.NoError(c, filepath.WalkDir(c.spec.Root.Path, func(name string, _ os.DirEntry, err error) error {
		require.NoError(c, err)
		var stat unix.Stat_t
		require.NoError(c, unix.Lstat(name, &stat))
		// What is mounted there by mistake may be the host's.
		require.Equal(c, root.Dev, stat.Dev, name)
		return os.Lchown(name, first, first)
	}))
	// The way to it is for all, as an engine makes it.
	for dir := c.spec.Root.Path; dir != "/"; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		require.NoError(c, err)
		if info.Mode()&0o001 == 0 {
			require.NoError(c, os.Chmod(dir, info.Mode()|0o001))
		}
	}
}

// write writes the configuration into the bundle.
func (c *bundled) write() {
	c.Helper()
	content, err := json.Marshal(c.spec)
	require.NoError(c, err)
	require.NoError(c, os.WriteFile(filepath.Join(c.dir, "config.json"), content, 0o600))
}

// create makes the container, to be started.
func (c *bundled) create(flags ...string) result {
	c.Helper()
	c.write()
	return c.final(append(append([]string{"create", "--bundle", c.dir}, flags...), c.id)...)
}

// run runs the container to its end.
func (c *bundled) run(flags ...string) result {
	c.Helper()
	c.write()
	return c.final(append(append([]string{"run", "--bundle", c.dir}, flags...), c.id)...)
}

// started creates and starts the container, which has to work.
func (c *bundled) started(flags ...string) {
	c.Helper()
	// What it prints is for nobody: a container that runs would keep our pipes open.
	c.write()
	cmd := c.call(append(append([]string{"create", "--bundle", c.dir}, flags...), c.id)...)
	require.NoError(c, cmd.Run())
	require.Equal(c, result{}, c.final("start", c.id))
}

func TestABundleIsRunToItsEnd(t *testing.T) {
	c := newBundle(t, "sh", "-c", "echo out; echo err >&2; exit 3")
	require.Equal(t, result{"out\n", "err\n", 3}, c.run())
	c.nothingLeft()
}

func TestCreateMakesAContainerAndStartLetsItRun(t *testing.T) {
	c := newBundle(t, "sh", "-c", "echo ran > /ran; exec sleep 1000")
	c.write()
	require.NoError(t, c.call("create", "--bundle", c.dir, c.id).Run())
	status, pid := c.status()
	require.Equal(t, "created", status)
	require.Equal(t, c.first(), pid)
	require.NoFileExists(t, filepath.Join(c.spec.Root.Path, "ran"))
	require.Equal(t, result{}, c.final("start", c.id))
	status, running := c.status()
	require.Equal(t, "running", status)
	require.Equal(t, pid, running)
	c.until(func() bool { _, err := os.Stat(filepath.Join(c.spec.Root.Path, "ran")); return err == nil }, func() string { return "it does not run" })
	refused(t, c.final("start", c.id), 1, "cannot start", "running")
	refused(t, c.final("delete", c.id), 1, "running")
	require.Equal(t, result{}, c.final("kill", c.id, "KILL"))
	c.stopped()
	require.Equal(t, result{}, c.final("delete", c.id))
	c.nothingLeft()
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	refused(t, c.final("delete", c.id), 1, "does not exist")
}
