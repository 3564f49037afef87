//go:build linux

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestALinkThatIsPlantedWhereAPidFileIsWrittenIsNotFollowed(t *testing.T) {
	c := newBundle(t, "sleep", "1000")
	c.write()
	victim := file(t, "victim", "untouched\n")
	dir := t.TempDir()
	pidFile := filepath.Join(dir, "pid")
	// The number of the process is known before it writes: a shell with that number becomes the program.
	planted := func(args ...string) {
		t.Helper()
		require.NoError(t, os.RemoveAll(pidFile))
		require.NoError(t, os.Symlink(victim, pidFile))
		cmd := c.call(args...)
		script := `for name in .pid.$$ .pid pid.$$ pid.tmp pid~; do ln -sf "$VICTIM" "$DIR/$name"; done; exec "$0" "$@"`
		cmd.Args = append([]string{"sh", "-c", script, cmd.Path}, cmd.Args[1:]...)
		cmd.Path, cmd.Env = "/bin/sh", append(cmd.Env, "VICTIM="+victim, "DIR="+dir)
		require.Equal(t, result{}, c.toFiles(cmd))

		content, err := os.ReadFile(victim)
		require.NoError(t, err)
		require.Equal(t, "untouched\n", string(content))
		info, err := os.Lstat(pidFile)
		require.NoError(t, err)
		require.True(t, info.Mode().IsRegular(), info.Mode())
		content, err = os.ReadFile(pidFile)
		require.NoError(t, err)
		_, err = strconv.Atoi(string(content))
		require.NoError(t, err)
		left, err := filepath.Glob(filepath.Join(dir, ".*"))
		require.NoError(t, err)
		for _, name := range left {
			info, err := os.Lstat(name)
			require.NoError(t, err)
			require.NotZero(t, info.Mode()&os.ModeSymlink, "%s is left", name)
		}
	}
	planted("create", "--bundle", c.dir, "--pid-file", pidFile, c.id)
	require.Equal(t, result{}, c.final("start", c.id))
	planted("exec", "--detach", "--pid-file", pidFile, c.id, "sleep", "1000")
}

func TestALogThatIsPlantedIsRefused(t *testing.T) {
	c := newTrial(t)
	victim := file(t, "victim", "untouched\n")
	dir := t.TempDir()
	link, fifo := filepath.Join(dir, "link"), filepath.Join(dir, "fifo")
	require.NoError(t, os.Symlink(victim, link))
	require.NoError(t, unix.Mkfifo(fifo, 0o600))
	for log, word := range map[string]string{link: "symbolic link", fifo: "FIFO", filepath.Join(dir, "dangling"): "symbolic link"} {
		if word == "symbolic link" && log != link {
			require.NoError(t, os.Symlink(filepath.Join(dir, "made"), log))
		}
		refused(t, inTime(t, c.call("--log", log, "state", c.id)), 1, "--log", log, word)
	}
	content, err := os.ReadFile(victim)
	require.NoError(t, err)
	require.Equal(t, "untouched\n", string(content))
	require.NoFileExists(t, filepath.Join(dir, "made"))
}

func TestALogCanBeWhatTheCallerHasOpen(t *testing.T) {
	c := newTrial(t)
	for _, log := range []string{"/dev/stderr", "/dev/fd/2", "/proc/self/fd/2"} {
		// Standard error gets the error twice: once as the error, once as a line of the log.
		r := inTime(t, c.call("--log", log, "state", c.id))
		require.Equal(t, 2, strings.Count(r.stderr, "does not exist"), r)
	}
	for _, args := range [][]string{{"state", c.id}, {"exec", c.id, "true"}} {
		read, write, err := os.Pipe()
		require.NoError(t, err)
		defer read.Close()
		cmd := c.call(append([]string{"--log", "/dev/fd/3"}, args...)...)
		cmd.ExtraFiles = []*os.File{write}
		require.NotZero(t, inTime(t, cmd).status)
		require.NoError(t, write.Close())
		var content bytes.Buffer
		_, err = content.ReadFrom(read)
		require.NoError(t, err)
		require.Contains(t, content.String(), "does not exist", args)
	}
	refused(t, c.final("--log", "/dev/null", "state", c.id), 1, "does not exist")
	refused(t, c.final("--log", "/dev/fd/77", "state", c.id), 1, "--log", "/dev/fd/77")
}
