//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/cgroup"
)

// delegate makes a cgroup of version 2 that belongs to the person, as systemd does for user@UID.service, and returns a cgroup below, for
// the person's processes. Both have the controllers.
func (c *trial) delegate(controllers string) (session *os.File) {
	c.Helper()
	if mode, err := cgroup.Detect(); err != nil || mode != cgroup.V2 {
		c.Skip("needs a host with cgroup version 2 only")
	}
	above := filepath.Join("/sys/fs/cgroup", "user-"+c.id)
	dir := filepath.Join(above, "service")
	own := filepath.Join(dir, "session")
	for _, place := range []string{above, dir, own} {
		require.NoError(c, os.Mkdir(place, 0o755))
		c.Cleanup(func() { require.NoError(c, unix.Rmdir(place)) })
		if place == above {
			require.NoError(c, os.WriteFile(filepath.Join(place, "cgroup.subtree_control"), []byte(controllers), 0))
		}
	}
	for _, place := range []string{dir, own} {
		for _, name := range []string{"", "cgroup.procs", "cgroup.subtree_control"} {
			require.NoError(c, os.Chown(filepath.Join(place, name), c.person.uid, c.person.uid))
		}
	}
	session, err := os.Open(own)
	require.NoError(c, err)
	c.Cleanup(func() { session.Close() })
	return session
}

func TestLimitsOfAnOrdinaryUserWithACgroup(t *testing.T) {
	c := asPerson(t, ranges)
	session := c.delegate("+memory +pids +cpu")
	script := "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max /sys/fs/cgroup/cpu.max"
	cmd := c.call(c.runArgs([]string{"--memory", "32m", "--pids", "17"}, "/bin/sh", "-c", script)...)
	cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(session.Fd())
	assert.Equal(t, result{fmt.Sprintf("%d\n17\n100000 100000\n", 32<<20), "", 0}, outcome(t, cmd))
	entries, err := filepath.Glob(filepath.Dir(session.Name()) + "/container-workshop-*")
	require.NoError(t, err)
	assert.Empty(t, entries)
	c.nothingLeft()
}

func TestALimitWithoutItsController(t *testing.T) {
	c := asPerson(t, ranges)
	session := c.delegate("+memory +pids")
	for _, flags := range [][]string{nil, {"--cpus", "1"}} {
		cmd := c.call(c.runArgs(flags, "cat", "/sys/fs/cgroup/pids.max")...)
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(session.Fd())
		r := outcome(t, cmd)
		assert.Contains(t, r.stderr, "cpu controller")
		assert.Equal(t, 1, strings.Count(r.stderr, "\n"), r.stderr)
		assert.Equal(t, map[bool]int{true: 0, false: 125}[flags == nil], r.status)
	}
	c.nothingLeft()
}
