//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/rootless"
)

// unlimited is what final says where an ordinary user has no cgroup.
const unlimited = "warning: the container runs without limits"

func TestAnOrdinaryUserRunsACommand(t *testing.T) {
	c := asPerson(t, ranges)
	r := c.final(c.runArgs(nil, "/bin/sh", "-c", "hostname; id -u; cat /proc/self/uid_map; touch /new /etc/new /tmp/new /var/new && rm /new /etc/new /tmp/new /var/new && exit 7")...)
	require.Equal(t, 7, r.status, r.stderr)
	lines := strings.Split(r.stdout, "\n")
	assert.Equal(t, []string{"container", "0"}, lines[:2])
	assert.Equal(t, "0 4321 1 1 500000 65536", strings.Join(strings.Fields(strings.Join(lines[2:], " ")), " "))
	assert.Equal(t, 1, strings.Count(r.stderr, unlimited), r.stderr)
	assert.Equal(t, 1, strings.Count(r.stderr, "\n"), r.stderr)
	assert.Equal(t, 127, c.final(c.runArgs(nil, "nosuch")...).status)
	assert.Equal(t, "1\n", c.final(c.runArgs([]string{"--init"}, "/bin/sh", "-c", "cat /proc/1/stat | cut -d' ' -f1")...).stdout)
	assert.Equal(t, "1000\n", c.final(c.runArgs([]string{"--user", "1000"}, "id", "-u")...).stdout)
	c.nothingLeft()
}

func TestAnOrdinaryUserWithoutRangesHasOneID(t *testing.T) {
	c := asPerson(t, "root:500000:65536\n")
	r := c.final(c.runArgs(nil, "/bin/sh", "-c", "id -u; cat /proc/self/gid_map")...)
	require.Equal(t, 0, r.status, r.stderr)
	assert.Equal(t, "0 0 4321 1", strings.Join(strings.Fields(r.stdout), " "))
	for _, words := range []string{"/etc/subuid has no range for alice", "so --user", "sudo usermod"} {
		assert.Equal(t, 1, strings.Count(r.stderr, words), r.stderr)
	}
	r = c.final(c.runArgs([]string{"--user", "1000"}, "true")...)
	assert.Equal(t, 125, r.status)
	assert.Contains(t, r.stderr, "--user: 1000: the container has only user 0 and group 0")
	c.nothingLeft()
}

// A limit that nobody enforces would be worse than an error. final says once in a session that there are no limits, but says it whenever there
// is no session.
func TestAnOrdinaryUserWithoutCgroupsGetsNoLimit(t *testing.T) {
	c := asPerson(t, ranges)
	for _, warnings := range []int{1, 0} {
		assert.Equal(t, warnings, strings.Count(c.final(c.runArgs(nil, "true")...).stderr, unlimited))
	}
	r := c.final(c.runArgs([]string{"--memory", "32m"}, "true")...)
	refused(t, r, 125, "--memory", "no cgroup")
	c.nothingLeft()
}

func TestAContainerOfAnOrdinaryUserHasNoAlias(t *testing.T) {
	c := asPerson(t, ranges)
	refused(t, c.final(c.runArgs([]string{"--network-alias", "www"}, "true")...), 125, "--network-alias www", "without root", "--publish")
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
	refused(t, c.final("exec", "--user", "70000", c.id, "true"), 255, "--user 70000", "only the users 0 to 65536")
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

// The flags ask for more than the host gives to anybody but root. proc_pid_oom_score_adj(5), prlimit(2)
func TestAnOrdinaryUserIsToldWhichLimitsStay(t *testing.T) {
	c := asPerson(t, ranges)
	score, err := os.ReadFile("/proc/self/oom_score_adj")
	require.NoError(t, err)
	limit := openFiles(t)
	flags := []string{"--oom-score-adj", "-1000", "--ulimit", fmt.Sprintf("nofile=100:%d", limit+1)}
	r := c.final(c.runArgs(flags, "/bin/bash", "-c", "cat /proc/self/oom_score_adj; ulimit -Hn")...)
	assert.Equal(t, fmt.Sprintf("%s%d\n", score, limit), r.stdout)
	for _, words := range []string{"--oom-score-adj -1000: only root", "--ulimit: lower than asked for", fmt.Sprintf("RLIMIT_NOFILE is %d", limit)} {
		assert.Equal(t, 1, strings.Count(r.stderr, words), r.stderr)
	}
	// The caller of a detached container learns the same.
	r = c.final(c.runArgs(append(flags, "--detach"), "true")...)
	assert.Contains(t, r.stderr, "--oom-score-adj -1000: only root")
	assert.Contains(t, r.stderr, "--ulimit: lower than asked for")
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

// openFiles is the hard limit on open files.
func openFiles(t *testing.T) uint64 {
	t.Helper()
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	return limit.Max
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

func TestAnOrdinaryUserJoinsTheNetworkOfAContainer(t *testing.T) {
	c := asPerson(t, ranges)
	c.detached(kept)
	c.logged("ready")
	want := c.final("exec", c.id, "readlink", "/proc/self/ns/net").stdout
	other := *c
	other.id += "-2"
	r := other.final(other.runArgs([]string{"--network", "container:" + c.id}, "readlink", "/proc/self/ns/net")...)
	assert.Equal(t, want, r.stdout, r.stderr)
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

// Root can be like an ordinary user, with files of its own.
func TestRootInAUserNamespace(t *testing.T) {
	c := asPerson(t, "root:500000:65536\n")
	p := *c.person
	p.uid = 0
	require.NoError(t, os.Chown(p.home, 0, 0))
	require.NoError(t, os.Chown(filepath.Dir(c.root), 0, 0))
	c.person = &p
	as := func(args ...string) result { return c.final(append([]string{"--rootless", "true"}, args...)...) }
	r := as(c.runArgs([]string{"--detach"}, "/bin/sh", "-c", kept)...)
	require.Equal(t, 0, r.status, r.stderr)
	assert.Contains(t, as("list").stdout, c.id)
	assert.NotContains(t, c.final("list").stdout, c.id)
	r = as("exec", c.id, "cat", "/proc/self/uid_map")
	assert.Equal(t, "0 0 1 1 500000 65536", strings.Join(strings.Fields(r.stdout), " "), r.stderr)
	require.Equal(t, result{}, as("delete", "--force", c.id))
	c.nothingLeft()
}

// Whoever asks for a user namespace gets no container without one: not even root, who could make the container.
func TestWithoutItsUserNamespaceFinalMakesNothing(t *testing.T) {
	c := asPerson(t, "root:500000:65536\nalice:500000:65536\n")
	program, err := exec.LookPath("newgidmap")
	require.NoError(t, err)
	c.cover(program)
	c.mounts = c.mountTable()
	for script, word := range map[string]string{"exit 1": "newgidmap has written why", "exit 0": "user namespace"} {
		require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\n"+script+"\n"), 0o755))
		require.NoError(t, os.Chmod(program, 0o755|os.ModeSetuid))
		refused(t, c.final(c.runArgs(nil, "/bin/true")...), 125, word)
		c.nothingLeft()
	}
	p := *c.person
	p.uid, p.env = 0, append(p.env, rootless.Marker+"=!unshare:28")
	c.person = &p
	r := c.final(append([]string{"--rootless", "true"}, c.runArgs(nil, "/bin/echo", "made")...)...)
	refused(t, r, 125, "user namespace", "max_user_namespaces")
	assert.Empty(t, r.stdout)
	c.nothingLeft()
}

// The configuration names IDs of the host, though the kernel gets those of the user namespace that final has made before.
func TestABundleOfAnOrdinaryUserHasAUserNamespace(t *testing.T) {
	for name, ranges := range map[string]string{"ranges": ranges, "one ID": ""} {
		t.Run(name, func(t *testing.T) {
			c := asPerson(t, ranges)
			require.Equal(t, result{}, c.final("spec", "--rootless", "--bundle", c.person.home))
			file := filepath.Join(c.person.home, "config.json")
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			config := strings.NewReplacer(`"path": "rootfs"`, `"path": "`+needRootfs(t)+`"`, `"terminal": true`, `"terminal": false`,
				`"sh"`, `"cat", "/proc/self/uid_map", "/proc/self/gid_map"`).Replace(string(content))
			require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
			r := c.final("run", "--bundle", c.person.home, c.id)
			require.Equal(t, 0, r.status, r.stderr)
			assert.Equal(t, "0 0 1 0 0 1", strings.Join(strings.Fields(r.stdout), " "))
			maps := regexp.MustCompile(`(?s)"[ug]idMappings": \[.*?\],`)
			require.NoError(t, os.WriteFile(file, []byte(maps.ReplaceAllString(config, "")), 0o600))
			r = c.final("run", "--bundle", c.person.home, c.id)
			require.Equal(t, 0, r.status, r.stderr)
			want := map[bool]string{true: "0 0 1 0 0 1", false: "0 0 1 1 1 65536 0 0 1 1 1 65536"}[ranges == ""]
			assert.Equal(t, want, strings.Join(strings.Fields(r.stdout), " "))
			require.NoError(t, os.WriteFile(file, []byte(strings.ReplaceAll(config, `"hostID": 4321`, `"hostID": 4322`)), 0o600))
			r = c.final("run", "--bundle", c.person.home, c.id)
			assert.Equal(t, 1, r.status)
			assert.Contains(t, r.stderr, "linux.uidMappings: hostID 4322")
			c.nothingLeft()
		})
	}
}

// Without a session the state is in /tmp, where anybody can make a directory first.
func TestADirectoryThatSomebodyElseHasPutIntoTmpIsRefused(t *testing.T) {
	c := asPerson(t, ranges)
	c.person.env = []string{"HOME=" + c.person.home, "XDG_RUNTIME_DIR="}
	place := "/tmp/container-workshop-4321"
	require.NoError(t, os.Mkdir(place, 0o777))
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(place)) })
	require.NoError(t, os.Chown(place, 4322, 4322))
	refused(t, c.final(c.runArgs(nil, "true")...), 125, place, "user 4322")
	require.NoError(t, os.Chown(place, 4321, 4321))
	require.NoError(t, os.Chmod(place, 0o700))
	assert.Equal(t, 0, c.final(c.runArgs(nil, "true")...).status)
	assert.DirExists(t, place)
}

// In the user namespace all other users look the same. So what final believes is there before, and nobody else can make it.
func TestDirectoriesInTmpAreMadeBeforeTheUserNamespace(t *testing.T) {
	c := asPerson(t, ranges)
	program, err := exec.LookPath("newuidmap")
	require.NoError(t, err)
	place := filepath.Join(filepath.Dir(c.person.home), "shared")
	require.NoError(t, os.Mkdir(place, 0o777))
	require.NoError(t, os.Chmod(place, 0o777|os.ModeSticky))
	seen := filepath.Join(c.person.home, "seen")
	c.cover(program)
	script := fmt.Sprintf("#!/bin/sh\nstat -c '%%n %%u %%a' %s/* >%s\nexit 1\n", place, seen)
	require.NoError(t, os.WriteFile(program, []byte(script), 0o755))
	require.NoError(t, os.Chmod(program, 0o755|os.ModeSetuid))
	c.person.env = []string{"HOME=/nowhere", "XDG_RUNTIME_DIR=" + place + "/run", "XDG_DATA_HOME=" + place + "/data"}
	refused(t, c.final(c.runArgs(nil, "/bin/true")...), 125, "newuidmap")
	content, err := os.ReadFile(seen)
	require.NoError(t, err)
	assert.Equal(t, fmt.Sprintf("%[1]s/data 4321 700\n%[1]s/run 4321 700\n", place), string(content))
}
