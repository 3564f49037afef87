//go:build linux

package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// unlimited is what final says where an ordinary user has no cgroup.
const unlimited = "warning: the container runs without limits"

func TestAnOrdinaryUserRunsACommand(t *testing.T) {
	c := asPerson(t, ranges)
	r := c.final(c.runArgs(nil, "/bin/sh", "-c", "hostname; id -u; cat /proc/self/uid_map; touch /new /etc/new && rm /new /etc/new; exit 7")...)
	require.Equal(t, 7, r.status, r.stderr)
	lines := strings.Split(r.stdout, "\n")
	assert.Equal(t, []string{"container", "0"}, lines[:2])
	assert.Equal(t, "0 4321 1 1 500000 65536", strings.Join(strings.Fields(strings.Join(lines[2:], " ")), " "))
	assert.Equal(t, 1, strings.Count(r.stderr, unlimited), r.stderr)
	assert.Equal(t, 1, strings.Count(r.stderr, "\n"), r.stderr)
	assert.Equal(t, 127, c.final(c.runArgs(nil, "nosuch")...).status)
	assert.Equal(t, "1000\n", c.final(c.runArgs([]string{"--user", "1000"}, "id", "-u")...).stdout)
	c.nothingLeft()
}

func TestAnOrdinaryUserWithoutRangesHasOneID(t *testing.T) {
	c := asPerson(t, "root:500000:65536\n")
	r := c.final(c.runArgs(nil, "/bin/sh", "-c", "id -u; cat /proc/self/gid_map")...)
	require.Equal(t, 0, r.status, r.stderr)
	assert.Equal(t, "0 0 4321 1", strings.Join(strings.Fields(r.stdout), " "))
	for _, words := range []string{"/etc/subuid has no range for alice", "--user", "usermod"} {
		assert.Equal(t, 1, strings.Count(r.stderr, words), r.stderr)
	}
	r = c.final(c.runArgs([]string{"--user", "1000"}, "true")...)
	assert.Equal(t, 125, r.status)
	c.nothingLeft()
}

// A limit that nobody enforces would be worse than an error.
func TestAnOrdinaryUserWithoutCgroupsGetsNoLimit(t *testing.T) {
	c := asPerson(t, ranges)
	r := c.final(c.runArgs([]string{"--memory", "32m"}, "true")...)
	refused(t, r, 125, "--memory", "no cgroup")
	c.nothingLeft()
}

func TestVerbsOfAnOrdinaryUser(t *testing.T) {
	c := asPerson(t, ranges)
	c.detached("echo hello; " + kept)
	c.logged("ready")
	assert.Equal(t, "hello\nready\n", c.final("logs", c.id).stdout)
	_, pid := c.status()
	assert.Regexp(t, fmt.Sprintf(`(?m)^%s +%d +running .* alice `, c.id, pid), c.final("list").stdout)
	assert.Equal(t, fmt.Sprintf("[%d]\n", pid), c.final("ps", "--format", "json", c.id).stdout)
	assert.Equal(t, result{"0\nroot\n", "", 0}, c.final("exec", c.id, "/bin/sh", "-c", "id -u; touch /written; stat -c %U /written"))
	assert.Equal(t, 9, c.final("exec", "--user", "1000", c.id, "/bin/sh", "-c", "exit 9").status)
	refused(t, c.final("pause", c.id), 1, "no cgroups")
	require.Equal(t, result{}, c.final("kill", c.id, "KILL"))
	c.stopped()
	require.Equal(t, result{}, c.final("delete", c.id))
	c.nothingLeft()
}

func TestDeleteOfAnOrdinaryUserEndsAContainerOfAnotherID(t *testing.T) {
	c := asPerson(t, ranges)
	c.detached("touch /tmp/mine; "+kept, "--user", "1000")
	c.logged("ready")
	require.Equal(t, result{}, c.final("kill", c.id, "0"))
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

// Final stays one process, so who has started it can send signals, and learns the status.
func TestSignalsForTheFinalOfAnOrdinaryUser(t *testing.T) {
	c := asPerson(t, ranges)
	s := c.speak(c.runArgs(nil, "/bin/sh", "-c", "trap 'echo got it; exit 5' USR1; echo ready; while :; do sleep 0.01; done")...)
	s.says("ready")
	s.signal(unix.SIGUSR1)
	s.says("got it")
	s.ends(5)
	s = c.speak(c.runArgs(nil, "/bin/sh", "-c", kept)...)
	s.says("ready")
	s.signal(unix.SIGKILL)
	s.ends(-1)
	c.nothingLeft()
}

func TestAnOrdinaryUserAtATerminal(t *testing.T) {
	c := asPerson(t, ranges)
	x := c.atTerminal(c.runArgs(nil, "/bin/sh", "-c", "tty; stty size; exit 3")...)
	x.until(func() bool { return strings.Contains(x.screen(), "status 3.") }, x.screen)
	assert.Contains(t, x.screen(), "/dev/pts/0\r\n31 87\r\n")
	require.Equal(t, x.settings, x.now())
}

func TestContainersOfAnotherUser(t *testing.T) {
	c := asPerson(t, ranges)
	c.detached(kept)
	c.logged("ready")
	root := c.root
	other := *c.person
	other.uid = 4322
	other.env = []string{"HOME=/tmp", "XDG_RUNTIME_DIR=/nonexistent/run"}
	owner := c.person
	c.person = &other
	assert.NotContains(t, c.final("list").stdout, c.id)
	refused(t, c.final("state", c.id), 1, "does not exist")
	for _, args := range [][]string{{"list"}, {"exec", c.id, "true"}, {"kill", c.id}, {"delete", "--force", c.id}} {
		r := c.final(append([]string{"--root", root}, args...)...)
		assert.NotEqual(t, 0, r.status, args)
		assert.Regexp(t, "permission denied|user 4321", r.stderr, args)
	}
	c.person = owner
	status, _ := c.status()
	require.Equal(t, "running", status)
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	assert.NoDirExists(t, filepath.Join(c.storage(), c.id))
}

func TestRootlessSaysWhoEntersAUserNamespace(t *testing.T) {
	c := asPerson(t, ranges)
	refused(t, c.final(append([]string{"--rootless=false"}, c.runArgs(nil, "true")...)...), 125, "needs root", "sudo")
	refused(t, c.final("--rootless", "maybe", "list"), 1, "--rootless", "true, false or auto")
}
