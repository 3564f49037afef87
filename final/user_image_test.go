//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The files of an image belong to the user who has imported it, and to the IDs of that user.
func TestAnOrdinaryUserRunsAnImage(t *testing.T) {
	c := asPerson(t, ranges)
	archive := filepath.Join(c.person.home, "image.tar")
	root := rootfsOf(t, map[string]string{"home/app/": "", "etc/own": "of the image"})
	require.NoError(t, os.Chown(filepath.Join(root, "home/app"), 1000, 1000))
	require.NoError(t, exec.Command("tar", "-C", root, "-cf", archive, ".").Run())
	r := c.final("import", archive, "mine")
	require.Equal(t, 0, r.status, r.stderr)
	script := "cat /etc/own; rm /etc/own; echo >/etc/new; stat -c %u /etc/new /home/app"
	args := func(flags ...string) []string {
		return append([]string{"run", "--image", "mine", "--name", c.id}, flags...)
	}
	assert.Equal(t, "of the image0\n1000\n", c.final(append(args(), "sh", "-c", script)...).stdout)
	assert.Equal(t, "of the image0\n", c.final(append(args("--user", "1000"), "sh", "-c", "cat /etc/own; stat -c %u /etc/own")...).stdout)
	assert.Contains(t, c.final("images").stdout, "mine")
	r = c.final("rmi", "mine")
	require.Equal(t, 0, r.status, r.stderr)
	c.nothingLeft()
}
