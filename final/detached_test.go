//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/engine"
)

// logSize is how much disk the log of the container takes.
func (c *trial) logSize() (size int64) {
	err := filepath.Walk(filepath.Join(engine.Storage(), c.id), func(_ string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return nil
	})
	require.NoError(c, err)
	return size
}

func TestALogIsBoundedHoweverMuchIsPrinted(t *testing.T) {
	for name, first := range map[string]string{"standard output": "", "standard error": "exec >&2; "} {
		t.Run(name, func(t *testing.T) {
			c := newTrial(t)
			c.detached(first+"yes | head -c 1000000; head -c 100000 /dev/zero; echo; echo last", "--log-opt", "max-size=100k", "--log-opt", "max-file=2")
			r := c.final("logs", "--follow", "--tail", "0", c.id)
			require.Equal(t, 0, r.status)
			c.stopped()
			require.LessOrEqual(t, c.logSize(), int64(210_000))
			r = c.final("logs", c.id)
			require.True(t, strings.HasSuffix(r.stdout+r.stderr, "\nlast\n"), r)
		})
	}
}

func TestTheLogIsNoFileOfTheContainer(t *testing.T) {
	for _, user := range []string{"0", "1"} {
		t.Run("user "+user, func(t *testing.T) {
			c := newTrial(t)
			// A user who is not root can open its own standard output, too.
			script := "echo one >/dev/stdout; echo two >/dev/stderr; truncate -s 1T /proc/self/fd/1 2>/dev/null; : >/dev/stdout; [ -p /proc/self/fd/1 ] && echo three"
			c.detached(script, "--user", user)
			require.Equal(t, result{"one\nthree\n", "two\n", 0}, c.final("logs", "--follow", c.id))
			require.Less(t, c.logSize(), int64(10_000))
		})
	}
}

func TestLogsShowsWhatItIsAskedFor(t *testing.T) {
	c := newTrial(t)
	c.detached("echo 1; echo 2; while [ ! -e /go ]; do sleep 0.01; done; printf '%s' 'a question? '; while [ ! -e /end ]; do sleep 0.01; done; echo answer")
	c.logged("2")
	between := time.Now()
	require.Equal(t, result{}, c.final("exec", c.id, "touch", "/go"))
	// What is no line yet is there to be seen.
	c.logged("question? ")

	follow := c.call("logs", "-f", "--tail", "1", c.id)
	var stdout bytes.Buffer
	follow.Stdout = &stdout
	require.NoError(t, follow.Start())
	require.Equal(t, result{"2\na question? ", "", 0}, c.final("logs", "--tail", "2", c.id))
	require.Equal(t, result{"a question? ", "", 0}, c.final("logs", "--since", between.Format(time.RFC3339Nano), c.id))
	require.Equal(t, result{}, c.final("logs", "--since", strconv.FormatInt(time.Now().Unix()+60, 10), c.id))
	require.Equal(t, result{"1\n2\na question? ", "", 0}, c.final("logs", "--since", "1h", c.id))
	require.Regexp(t, `^\d{4}-\d\d-\d\dT\S+Z 1\n\d{4}\S+Z 2\n\d{4}\S+Z a question\? $`, c.final("logs", "-t", c.id).stdout)
	// The container may end before touch does. Then the kernel kills touch.
	require.Contains(t, []result{{}, {"", "", 137}}, c.final("exec", c.id, "touch", "/end"))
	require.NoError(t, follow.Wait())
	require.Equal(t, "a question? answer\n", stdout.String())

	refused(t, c.final("logs", "--tail", "-1", c.id), 1, "--tail", `"-1"`)
	refused(t, c.final("logs", "--since", "yesterday", c.id), 1, "--since", `"yesterday"`, "10m")
	for _, bad := range []string{"max-size=0", "max-size=10x", "max-file=0", "max-file=many", "mode=non-blocking"} {
		refused(t, c.final(c.runArgs([]string{"-d", "--log-opt", bad}, "true")...), 125, "--log-opt", bad)
	}
}

func TestWhatAContainerPrintsAtLastIsThereWhenItIsStopped(t *testing.T) {
	tries := 20
	if testing.Short() {
		tries = 5
	}
	for range tries {
		c := newTrial(t)
		c.detached("seq 1 3000; echo the end >&2")
		c.stopped()
		r := c.final("logs", c.id)
		require.True(t, strings.HasPrefix(r.stdout, "1\n2\n") && strings.HasSuffix(r.stdout, "\n2999\n3000\n"), r.stdout)
		require.Equal(t, "the end\n", r.stderr)
	}
}

func TestADescriptorThatHasLeftTheContainerDoesNotKeepItsMonitor(t *testing.T) {
	c := newTrial(t)
	c.detached("echo ready; exec sleep 1000")
	c.logged("ready")
	first := c.first()
	monitor := parentOf(first)
	// As who was sent it over a socket in a volume has it.
	escaped, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/1", first), os.O_WRONLY, 0)
	require.NoError(t, err)
	defer escaped.Close()
	_, err = escaped.WriteString("from elsewhere\n")
	require.NoError(t, err)
	require.Equal(t, result{}, c.final("kill", c.id, "KILL"))
	require.Equal(t, "ready\nfrom elsewhere\n", c.final("logs", "--follow", c.id).stdout)
	c.until(func() bool { return unix.Kill(monitor, 0) != nil || !strings.Contains(cmdline(monitor), "monitor") }, func() string { return "the monitor is still there" })
	require.Equal(t, result{}, c.final("delete", c.id))
	c.nothingLeft()
}

func TestWhyADetachedContainerWasKilledIsInItsLog(t *testing.T) {
	c := newTrial(t)
	c.detached("echo before; exec tail /dev/zero", "--memory", "16m")
	r := c.final("logs", "--follow", c.id)
	require.Equal(t, "before\n", r.stdout)
	require.Contains(t, r.stderr, "killed: the container used more memory than its limit of 16m")
	require.Equal(t, 1, strings.Count(r.stderr, "\n"), r.stderr)
}

func TestNoSecretOfADetachedContainerIsInTheArgumentsOfAProcess(t *testing.T) {
	c := newTrial(t)
	file := filepath.Join(t.TempDir(), "env")
	require.NoError(t, os.WriteFile(file, []byte("FILE=in-a-file\n"), 0o600))
	// Not everything is UTF-8.
	secret := "top secret \xff"
	c.detached(`echo "$PASSWORD" "$FILE" "$TOKEN"; exec sleep 1000`, "--env", "PASSWORD="+secret, "--env-file", file, "-e", "TOKEN=token", "-e", "FILE=changed")
	c.logged(secret + " changed token\n")
	seen := ""
	for _, pid := range c.processes() {
		seen += cmdline(pid)
	}
	require.Contains(t, seen, "monitor")
	for _, word := range []string{"secret", "in-a-file", "changed", "token"} {
		require.NotContains(t, seen, word)
	}
	// Nor can another user read them in files.
	for _, dir := range []string{filepath.Join(c.root, c.id), filepath.Join(engine.Storage(), c.id)} {
		info, err := os.Stat(dir)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o700), info.Mode().Perm(), dir)
	}
}

// Whoever asks for systemd gets systemd, or an error that says why not.
func TestADetachedContainerHasItsCgroupsFromSystemdToo(t *testing.T) {
	c := newTrial(t)
	run := func(flags ...string) result {
		return c.final(append([]string{"--systemd-cgroup"}, c.runArgs(flags, "true")...)...)
	}
	attached, detached := run(), run("--detach", "--rm")
	require.Equal(t, attached.status, detached.status, detached.stderr)
	require.Equal(t, attached.stderr, detached.stderr)
	c.nothingLeft()
}
