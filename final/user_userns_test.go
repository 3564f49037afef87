//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestKeepIDShowsYourFilesAsYours(t *testing.T) {
	c := asPerson(t, ranges)
	dir := c.person.home
	script := "id -u; id -g; stat -c %u /data; touch /data/new; stat -c %u /; touch /no 2>/dev/null || echo refused"
	r := c.final(c.runArgs([]string{"--userns", "keep-id", "--volume", dir + ":/data"}, "/bin/sh", "-c", script)...)
	assert.Equal(t, "4321\n4321\n4321\n0\nrefused\n", r.stdout, r.stderr)
	var stat unix.Stat_t
	require.NoError(t, unix.Stat(filepath.Join(dir, "new"), &stat))
	assert.Equal(t, uint32(4321), stat.Uid)
	r = c.final(c.runArgs([]string{"--userns", "keep-id", "--user", "root"}, "/bin/sh", "-c", "id -u; touch /etc/new && stat -c %u /etc/new")...)
	assert.Equal(t, "0\n0\n", r.stdout, r.stderr)
	c.detached(kept, "--userns", "keep-id")
	assert.Equal(t, result{"4321\n", "", 0}, c.final("exec", c.id, "id", "-u"))
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	refused(t, c.final(c.runArgs([]string{"--userns", "auto"}, "true")...), 125, "--userns auto", "root")
	c.nothingLeft()
	c.person = nil
	refused(t, c.final(c.runArgs([]string{"--userns", "keep-id"}, "true")...), 125, "--userns keep-id", "without root")
}

// The error of each value that makes no container, or else the map of its IDs.
func TestUsernsForAnOrdinaryUser(t *testing.T) {
	asPerson(t, ranges).hasUserns(map[string]string{
		"host": "0 4321 1 1 500000 65536", "keep-id": "0 1 4321 4321 0 1 4322 4322 61215", "auto": "without root, every container has a user namespace",
	})
}

func TestUsernsForRoot(t *testing.T) {
	ours, err := os.ReadFile("/proc/self/uid_map")
	require.NoError(t, err)
	want := map[string]string{"host": strings.Join(strings.Fields(string(ours)), " "), "keep-id": "root keeps its ID in every container"}
	if mapsLayers(t) {
		want["auto"] = " 65536"
	}
	newTrial(t).hasUserns(want)
}

// hasUserns makes a container for each value of --userns.
func (c *trial) hasUserns(want map[string]string) {
	c.Helper()
	for value, words := range want {
		r := c.final(c.runArgs([]string{"--userns", value}, "cat", "/proc/self/uid_map")...)
		if r.status != 0 {
			refused(c.T, r, 125, "--userns "+value, words)
		} else {
			assert.Contains(c, strings.Join(strings.Fields(r.stdout), " "), words, value)
		}
		c.nothingLeft()
	}
}
