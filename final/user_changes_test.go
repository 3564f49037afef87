//go:build linux

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAnOrdinaryUserCommitsAContainer(t *testing.T) {
	const name, next = "registry.example/own:1", "registry.example/own:2"
	for kind, has := range map[string]string{"many IDs": ranges, "one ID": "root:500000:65536\n"} {
		t.Run(kind, func(t *testing.T) {
			c := asPerson(t, has)
			archive := filepath.Join(c.person.home, "a.tar")
			require.NoError(t, os.WriteFile(archive, dockerArchive(t, name, layersOfTests(t)...), 0o644))
			r := c.final("load", "-i", archive)
			require.Equal(t, 0, r.status, r.stderr)
			// busybox is the shell, and knows no other command here.
			r = c.final("run", "--detach", "--image", name, "--name", c.id, "--env", c.mark, "/bin/sh", "-c", "echo own >/etc/own; >/etc/stays; echo ready; while read line; do :; done")
			require.Equal(t, 0, r.status, r.stderr)
			c.logged("ready\n")
			r = c.final("diff", c.id)
			require.Equal(t, 0, r.status, r.stderr)
			assert.Equal(t, "C /etc\nA /etc/own\nC /etc/stays\n", r.stdout)
			// Without a cgroup nothing can be paused.
			if r = c.final("commit", c.id, next); r.status != 0 {
				refused(t, r, 1, "pause", "--pause=false")
				r = c.final("commit", "--pause=false", c.id, next)
			}
			require.Equal(t, 0, r.status, r.stderr)
			require.Equal(t, 0, c.final("delete", "--force", c.id).status)
			r = c.final("run", "--image", next, "--name", c.id, "--env", c.mark, "/bin/sh", "-c", "cat /etc/*")
			assert.Equal(t, 0, r.status, r.stderr)
			assert.Contains(t, r.stdout, "own\n")
			assert.NotContains(t, r.stdout, "stays")
			assert.NotContains(t, r.stdout, "gone")
			require.Equal(t, 0, c.final("rmi", name, next).status)
		})
	}
}

func TestAnOrdinaryUserSeesOnlyOwnChanges(t *testing.T) {
	c := asPerson(t, ranges)
	c.detached("echo x >/mnt/mine; echo ready; sleep 1000")
	c.logged("ready\n")
	// The directories that final has made for the user are no changes.
	assert.Equal(t, result{"C /mnt\nA /mnt/mine\n", "", 0}, c.final("diff", c.id))
}
