//go:build linux

package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// plant makes the state of a container whose poststop hook makes a file. It returns the path of that.
func (c *trial) plant(root string) string {
	c.Helper()
	proof := filepath.Join(c.TempDir(), "proof")
	dir := filepath.Join(root, c.id)
	require.NoError(c, os.MkdirAll(dir, 0o700))
	state := fmt.Sprintf(`{"ociVersion":"1.2.0","id":%q,"pid":0,"status":"stopped","bundle":"/","maker":0}`, c.id)
	config := fmt.Sprintf(`{"ociVersion":"1.2.0","root":{"path":"rootfs"},"process":{"args":["x"],"cwd":"/"},"linux":{},"hooks":{"poststop":[{"path":"/bin/sh","args":["sh","-c","echo >%s"]}]}}`, proof)
	require.NoError(c, os.WriteFile(filepath.Join(dir, "state.json"), []byte(state), 0o600))
	require.NoError(c, os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600))
	return proof
}

func TestAStateThatSomebodyElseCouldHavePlantedIsNotBelieved(t *testing.T) {
	const user = 1000
	t.Run("control: a state of ours", func(t *testing.T) {
		c := newTrial(t)
		proof := c.plant(c.root)
		require.Equal(t, result{}, c.final("delete", c.id))
		require.FileExists(t, proof)
	})
	for name, m := range map[string]struct {
		change func(root, dir string) error
		words  []string
		// one says that only this container is not believed, not the whole root.
		one bool
	}{
		"a root of another user":              {func(root, _ string) error { return os.Chown(root, user, user) }, []string{"--root", "belongs to user 1000"}, false},
		"a root for all to write to":          {func(root, _ string) error { return os.Chmod(root, 0o777) }, []string{"--root", "other users can write"}, false},
		"a root for a group to write to":      {func(root, _ string) error { return os.Chmod(root, 0o770) }, []string{"--root", "other users can write"}, false},
		"a sticky root":                       {func(root, _ string) error { return os.Chmod(root, 0o777|fs.ModeSticky) }, []string{"--root", "other users can write"}, false},
		"a root in a directory of another":    {func(root, _ string) error { return os.Chown(filepath.Dir(root), user, user) }, []string{"--root", "belongs to user 1000"}, false},
		"a root in a directory to write to":   {func(root, _ string) error { return os.Chmod(filepath.Dir(root), 0o777) }, []string{"--root", "other users can write", "chmod"}, false},
		"a directory of another user":         {func(_, dir string) error { return os.Chown(dir, user, user) }, []string{"belongs to user 1000"}, true},
		"a directory for all to write to":     {func(_, dir string) error { return os.Chmod(dir, 0o777) }, []string{"other users can write"}, true},
		"a state of another user":             {func(_, dir string) error { return os.Chown(dir+"/state.json", user, user) }, []string{"state.json", "belongs to user 1000"}, true},
		"a state for all to write to":         {func(_, dir string) error { return os.Chmod(dir+"/state.json", 0o666) }, []string{"state.json", "other users can write"}, true},
		"a state that is a link":              {func(_, dir string) error { return relink(dir, "state.json") }, []string{"state.json", "symbolic link"}, true},
		"a configuration that is a link":      {func(_, dir string) error { return relink(dir, "config.json") }, nil, true},
		"a configuration of another user":     {func(_, dir string) error { return os.Chown(dir+"/config.json", user, user) }, nil, true},
		"a configuration for all to write to": {func(_, dir string) error { return os.Chmod(dir+"/config.json", 0o666) }, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTrial(t)
			c.root = filepath.Join(t.TempDir(), "above", "root")
			require.NoError(t, os.MkdirAll(c.root, 0o755))
			proof := c.plant(c.root)
			require.NoError(t, m.change(c.root, filepath.Join(c.root, c.id)))
			before := tree(t, c.root)
			verbs := [][]string{{"state", c.id}, {"logs", c.id}, {"kill", c.id}, {"exec", c.id, "true"}, {"start", c.id}, c.runArgs(nil, "true"), {"delete", c.id}, {"delete", "--force", c.id}}
			if m.words == nil {
				// The state is good, and the hooks of the configuration are left out.
				verbs = nil
				require.Equal(t, 0, c.final("delete", c.id).status)
				require.NoFileExists(t, proof)
			}
			for _, verb := range verbs {
				refused(t, c.final(verb...), failureOf(verb), m.words...)
				require.NoFileExists(t, proof)
				require.Equal(t, before, tree(t, c.root), "%v", verb)
			}
			list := c.final("list")
			if m.one {
				require.Equal(t, 0, list.status, list.stderr)
				assert.NotContains(t, list.stdout, c.id)
			} else {
				refused(t, list, 1, m.words...)
			}
			// So that the test can clean up.
			require.NoError(t, os.RemoveAll(c.root))
		})
	}
}

// relink has a file under another name, and a link to it.
func relink(dir, name string) error {
	if err := os.Rename(filepath.Join(dir, name), filepath.Join(dir, "other")); err != nil {
		return err
	}
	return os.Symlink("other", filepath.Join(dir, name))
}

func TestNothingIsMadeInADirectoryOfAnotherUser(t *testing.T) {
	c := newTrial(t)
	theirs := t.TempDir()
	require.NoError(t, os.Chown(theirs, 1000, 1000))
	c.root = filepath.Join(theirs, "root")
	for _, flags := range [][]string{nil, {"--detach"}} {
		refused(t, c.final(c.runArgs(flags, "true")...), 125, "--root", "belongs to user 1000")
	}
	empty(t, theirs)
	c.nothingLeft()
	// The control: below a directory of root alone, final makes its own.
	c.root = filepath.Join(t.TempDir(), "a/b")
	require.Equal(t, result{}, c.final(c.runArgs(nil, "true")...))
	c.nothingLeft()
}
