//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Package rootless has all reasons. Here final asks for them, and tells them once.
func TestAnOrdinaryUserLearnsWhatIsMissing(t *testing.T) {
	programs, err := exec.LookPath("newuidmap")
	if err != nil {
		t.Skip("needs newuidmap: apt-get install uidmap")
	}
	const one = "the container has only user 0 and group 0"
	for name, host := range map[string]struct {
		ranges  string
		prepare func(c *trial)
		words   []string
	}{
		"few IDs":       {"alice:500000:1000\n", func(*trial) {}, []string{"/etc/subuid gives alice only 1000 IDs", "usermod --add-subuids 501000-566535"}},
		"no newuidmap":  {ranges, func(c *trial) { c.person.env = append(c.person.env, "PATH=/nowhere") }, []string{one, "newuidmap is missing: sudo apt-get install uidmap"}},
		"nosuid":        {ranges, func(c *trial) { c.remount(filepath.Dir(programs), unix.MS_NOSUID) }, []string{one, programs + " has no rights", "mounted nosuid"}},
		"not setuid":    {ranges, func(c *trial) { c.cover(programs) }, []string{one, programs + " is not setuid root"}},
		"no range":      {"bob:500000:65536\n", func(*trial) {}, []string{one, "/etc/subuid has no range for alice", "--add-subuids 565536-631071"}},
		"nothing wrong": {ranges, func(*trial) {}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := asPerson(t, host.ranges)
			host.prepare(c)
			c.mounts = c.mountTable()
			r := c.final(c.runArgs(nil, "/bin/cat", "/proc/self/uid_map")...)
			require.Equal(t, 0, r.status, r.stderr)
			_, message, _ := strings.Cut(strings.ReplaceAll(r.stderr, unlimited, ""), "warning: ")
			for _, words := range host.words {
				assert.Contains(t, message, words)
			}
			if host.words == nil {
				assert.NotContains(t, r.stderr, "ID")
			}
			c.nothingLeft()
			assert.Equal(t, result{}, c.final(c.runArgs(nil, "/bin/true")...), "once in a session")
		})
	}
}

// remount gives a directory a mount of its own, with a flag.
func (c *trial) remount(dir string, flag uintptr) {
	c.Helper()
	require.NoError(c, unix.Mount(dir, dir, "", unix.MS_BIND, ""))
	c.Cleanup(func() { assert.NoError(c, unix.Unmount(dir, unix.MNT_DETACH)) })
	require.NoError(c, unix.Mount("", dir, "", unix.MS_BIND|unix.MS_REMOUNT|flag, ""))
}

// cover mounts a program that does nothing over another one.
func (c *trial) cover(name string) {
	c.Helper()
	file := filepath.Join(filepath.Dir(c.person.home), "program")
	require.NoError(c, os.WriteFile(file, []byte("#!/bin/sh\n"), 0o755))
	require.NoError(c, unix.Mount(file, name, "", unix.MS_BIND, ""))
	c.Cleanup(func() { assert.NoError(c, unix.Unmount(name, unix.MNT_DETACH)) })
}
