//go:build linux

package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/engine"
)

// outsider makes a directory that belongs to none of our containers, with all that a cgroup and a storage have in it.
func outsider(t *testing.T, pid int) string {
	t.Helper()
	dir := t.TempDir()
	for _, below := range []string{"upper", "work/work", "empty/empty", "cgroup"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, below), 0o755))
	}
	for name, content := range map[string]string{
		"precious": "x", "log": "secret", "root": "", "cgroup.procs": fmt.Sprintln(pid), "tasks": "", "cgroup.kill": "", "cgroup.freeze": "", "freezer.state": "THAWED\n",
		"pids.max": "", "cgroup/cgroup.procs": fmt.Sprintln(pid), "cgroup/pids.max": "",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	return dir
}

// tree returns what is in a directory: names, and contents of files.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		require.NoError(t, err)
		var content []byte
		if !entry.IsDir() {
			content, err = os.ReadFile(name)
			require.NoError(t, err)
		}
		all[strings.TrimPrefix(name, dir)] = string(content)
		return nil
	}))
	return all
}

// bystander starts a process of the host that no container has anything to do with.
func bystander(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		assert.NoError(t, cmd.Process.Signal(unix.Signal(0)), "the bystander was killed")
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

// A configuration is written by who makes an image, or an engine copies what the image says into it.
func TestNoAnnotationOfABundleHasAnEffect(t *testing.T) {
	outside := outsider(t, 0)
	before := tree(t, outside)
	annotations := map[string]string{
		"org.container-workshop.overlay": outside, "org.container-workshop.init": "true", "org.container-workshop.log": outside + "/log",
	}
	c := newBundle(t, "sh", "-c", "echo $$; echo written >/written")
	c.spec.Annotations = annotations
	// Process 1 is the command itself, and writes to the root file system.
	require.Equal(t, result{"1\n", "", 0}, c.run())
	c.wrote("written", "written\n")
	require.Equal(t, before, tree(t, outside))
	c.nothingLeft()

	c = newBundle(t, "sleep", "1000")
	c.spec.Annotations = annotations
	c.started()
	assert.Contains(t, c.final("state", c.id).stdout, outside)
	refused(t, c.final("logs", c.id), 1, "has no log")
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	require.Equal(t, before, tree(t, outside))
	c.nothingLeft()
}

// What is written, killed and removed does not depend on the paths in a state file.
func TestAForgedStateLeadsNowhereElse(t *testing.T) {
	sleeping := bystander(t).Process.Pid
	for name, forged := range map[string]string{
		"storage":            `"overlay":"VICTIM","log":"VICTIM/log","overlaid":true,"logged":true`,
		"cgroup":             `"cgroup":{"mode":"v2","dirs":[{"name":"","version":2,"mount":"VICTIM","path":"VICTIM/cgroup","made":"VICTIM/cgroup"}]}`,
		"cgroup, version 1":  `"cgroup":{"mode":"v1","dirs":[{"name":"x","version":1,"controllers":["freezer","pids"],"mount":"VICTIM","path":"VICTIM/cgroup","made":"VICTIM/cgroup"}]}`,
		"cgroup that is all": `"cgroup":{"mode":"v2","dirs":[{"name":"","version":2,"mount":"/","path":"VICTIM","made":"VICTIM"}]}`,
		"cgroup by ..":       `"cgroup":{"mode":"MODE","dirs":[{"name":"","version":VERSION,"mount":"MOUNT","path":"MOUNT/../../../../../..VICTIM","made":"MOUNT/../../../../../..VICTIM"}]}`,
		"cgroup elsewhere":   `"cgroup":{"mode":"MODE","dirs":[{"name":"","version":VERSION,"mount":"MOUNT","path":"VICTIM","made":"VICTIM"}]}`,
		"made elsewhere":     `"cgroup":{"mode":"MODE","dirs":[{"name":"","version":VERSION,"mount":"MOUNT","path":"MOUNT/none/a","made":"VICTIM/cgroup"}]}`,
		"no cgroup":          `"cgroup":{"mode":"v2","dirs":[]}`,
		"unit":               `"cgroup":{"mode":"v2","unit":"ssh.service","dirs":[]}`,
	} {
		t.Run(name, func(t *testing.T) {
			c := newTrial(t)
			outside := outsider(t, sleeping)
			before := tree(t, outside)
			mount, version := "/sys/fs/cgroup/unified", "2"
			for _, other := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/freezer"} {
				var stat unix.Statfs_t
				require.NoError(t, unix.Statfs("/sys/fs/cgroup", &stat))
				if _, err := os.Stat(mount); err != nil && (stat.Type == unix.CGROUP2_SUPER_MAGIC) == (other == "/sys/fs/cgroup") {
					mount, version = other, map[string]string{"/sys/fs/cgroup": "2", "/sys/fs/cgroup/freezer": "1"}[other]
				}
			}
			state := strings.NewReplacer("VICTIM", outside, "MOUNT", mount, "MODE", "v"+version, "VERSION", version).Replace(
				`{"ociVersion":"1.2.0","id":"` + c.id + `","pid":0,"status":"STATUS","maker":0,` + forged + `}`)
			for _, status := range []string{"stopped", "running", "created"} {
				for _, verb := range [][]string{
					{"list"}, {"state", c.id}, {"logs", c.id}, {"kill", c.id, "KILL"}, {"kill", "--all", c.id, "KILL"}, {"pause", c.id}, {"resume", c.id},
					{"update", "--pids-limit", "7", c.id}, {"exec", c.id, "true"}, {"start", c.id}, {"delete", c.id}, {"delete", "--force", c.id}, c.runArgs(nil, "true"),
				} {
					c.leaveState(strings.Replace(state, "STATUS", status, 1))
					r := c.final(verb...)
					assert.NotContains(t, r.stdout, "secret")
					require.Equal(t, before, tree(t, outside), "%v: %v", verb, r)
				}
			}
			c.leaveState(state)
			require.Equal(t, result{}, c.final("delete", "--force", c.id))
			c.nothingLeft()
		})
	}
}

// What a container has written is removed by its ID, whatever is there by then.
func TestTheStorageOfAContainerIsNoLinkAndNobodyElses(t *testing.T) {
	outside := outsider(t, 0)
	before := tree(t, outside)
	for name, leave := range map[string]func(place string) error{
		"a link":                 func(place string) error { return os.Symlink(outside, place) },
		"somebody else's":        func(place string) error { return os.Chown(place, 1000, 1000) },
		"for others to write to": func(place string) error { return os.Chmod(place, 0o777) },
	} {
		t.Run(name, func(t *testing.T) {
			c := newTrial(t)
			c.detached(kept)
			c.logged("ready")
			place := filepath.Join(engine.Storage(), c.id)
			if name == "a link" {
				require.NoError(t, os.Rename(place, place+".moved"))
			}
			require.NoError(t, leave(place))
			r := c.final("delete", "--force", c.id)
			refused(t, r, 1, c.id, engine.Storage())
			refused(t, c.final("logs", c.id), 1, c.id)
			require.Equal(t, before, tree(t, outside))
			if name == "a link" {
				require.NoError(t, os.Remove(place))
				require.NoError(t, os.Rename(place+".moved", place))
			}
			require.NoError(t, os.Chmod(place, 0o700))
			require.NoError(t, os.Chown(place, 0, 0))
			require.Equal(t, result{}, c.final("delete", "--force", c.id))
			c.nothingLeft()
		})
	}
}
