//go:build linux

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/require"
)

// A logLine is what callers read of a line of the log.
type logLine struct{ Level, Msg, Time string }

// logOf reads a log, and checks the form of each line.
func logOf(t *testing.T, name string) []logLine {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	var all []logLine
	for text := range strings.Lines(string(text)) {
		require.True(t, strings.HasSuffix(text, "\n"), text)
		require.Equal(t, []string{"level", "msg", "time"}, keysOf(t, text))
		var l logLine
		require.NoError(t, json.Unmarshal([]byte(text), &l))
		when, err := time.Parse(time.RFC3339, l.Time)
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), when, time.Minute)
		all = append(all, l)
	}
	return all
}

func TestAnErrorIsInTheLogAndOnStandardError(t *testing.T) {
	c := newBundle(t, "no-such-command")
	c.write()
	log := filepath.Join(t.TempDir(), "log.json")
	count := 0
	for _, m := range []struct {
		args   []string
		status int
		words  string
	}{
		{[]string{"create", "--bundle", c.dir, c.id}, 1, `exec: "no-such-command": executable file not found in $PATH`},
		{[]string{"run", "--bundle", c.dir, c.id}, 127, `exec: "no-such-command": executable file not found in $PATH`},
		{[]string{"create", "--bundle", c.dir + "/none", c.id}, 1, "no such file or directory"},
		{[]string{"start", c.id}, 1, "does not exist"},
		{[]string{"state", c.id}, 1, "does not exist"},
		{[]string{"kill", c.id, "9"}, 1, "does not exist"},
		{[]string{"kill", c.id, "NO\"SUCH\n"}, 1, "unknown signal"},
		{[]string{"delete", c.id}, 1, "does not exist"},
		{[]string{"exec", c.id, "true"}, 255, "does not exist"},
		{[]string{"ps", c.id}, 1, "does not exist"},
		{[]string{"pause", c.id}, 1, "does not exist"},
		{[]string{"resume", c.id}, 1, "does not exist"},
		{[]string{"update", "--memory", "64m", c.id}, 1, "does not exist"},
		{[]string{"events", "--stats", c.id}, 1, "does not exist"},
		{[]string{"checkpoint", c.id}, 1, "not supported"},
		{[]string{"list", "--no-such-flag"}, 1, "--no-such-flag"},
		{[]string{"no-such-verb"}, 125, "no-such-verb"},
	} {
		r := c.final(append([]string{"--log", log, "--log-format", "json"}, m.args...)...)
		refused(t, r, m.status, m.words)
		count++
		lines := logOf(t, log)
		require.Len(t, lines, count)
		last := lines[count-1]
		require.Equal(t, "error", last.Level)
		// On standard error there is the name of the program before it.
		_, plain, _ := strings.Cut(strings.TrimSuffix(r.stderr, "\n"), ": ")
		require.Equal(t, plain, last.Msg)
		require.False(t, strings.HasPrefix(r.stderr, "{"), r.stderr)
	}
	c.nothingLeft()
}

func TestALogOfTextHasALineForEachMessage(t *testing.T) {
	c := newTrial(t)
	for _, format := range [][]string{nil, {"--log-format", "text"}, {"--log-format=text"}} {
		log := filepath.Join(t.TempDir(), "log")
		require.NoError(t, os.WriteFile(log, []byte("before\n"), 0o600))
		refused(t, c.final(append(append(format, "--log", log), "state", c.id)...), 1, "does not exist")
		text, err := os.ReadFile(log)
		require.NoError(t, err)
		require.Regexp(t, `^before\ntime="[^"]+" level=error msg="container `+c.id+` does not exist[^"\n]*"\n$`, string(text))
	}
}

func TestALogThatCannotBeOpenedIsRefusedBeforeAnythingIsMade(t *testing.T) {
	c := newBundle(t, "true")
	c.write()
	for _, log := range []string{c.dir + "/none/log", c.dir} {
		for _, args := range [][]string{{"create", "--bundle", c.dir, c.id}, {"run", "--bundle", c.dir, c.id}, {"list"}, {"delete",
			"--force", c.id}} {
			refused(t, c.final(append([]string{"--log", log}, args...)...), failure(args[0]), "--log", log)
		}
	}
	c.nothingLeft()
	refused(t, c.final("--log-format", "xml", "list"), 1, "--log-format", "xml", "json")
}

// config.md, "POSIX-platform Hooks": a poststart or poststop hook that fails is a warning.
func TestWarningsAreInTheLogAndNoFailure(t *testing.T) {
	c := newBundle(t, "sleep", "1000")
	c.spec.Process.Capabilities.Bounding = append(c.spec.Process.Capabilities.Bounding, "CAP_NOBODY_KNOWS")
	hook := func(name string) []specs.Hook {
		return []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "echo " + name + " fails >&2; exit 3"}}}
	}
	c.spec.Hooks = &specs.Hooks{Poststart: hook("poststart"), Poststop: hook("poststop")}
	c.write()
	log := filepath.Join(t.TempDir(), "log.json")
	logged := []string{"--log", log, "--log-format", "json"}
	seen := 0
	for _, turn := range []struct {
		args []string
		word string
	}{
		{[]string{"create", "--bundle", c.dir, c.id}, "CAP_NOBODY_KNOWS"},
		{[]string{"start", c.id}, "poststart fails"},
		{[]string{"delete", "--force", c.id}, "poststop fails"},
	} {
		// With a log standard error is for errors only.
		require.Equal(t, result{}, c.toFiles(c.call(append(logged, turn.args...)...)))
		lines := logOf(t, log)
		require.Len(t, lines, seen+1, "%v", lines)
		require.Equal(t, "warning", lines[seen].Level)
		require.Contains(t, lines[seen].Msg, turn.word)
		seen++
	}
	c.nothingLeft()
	// Without one they are there.
	r := c.toFiles(c.call("create", "--bundle", c.dir, c.id))
	require.Equal(t, 0, r.status)
	require.Contains(t, r.stderr, "warning: ")
	require.Contains(t, r.stderr, "CAP_NOBODY_KNOWS")
	require.Equal(t, 1, strings.Count(r.stderr, "\n"), r.stderr)
	r = c.toFiles(c.call("--log-format", "json", "start", c.id))
	require.Equal(t, 0, r.status)
	require.Equal(t, []string{"level", "msg", "time"}, keysOf(t, r.stderr))
	require.Contains(t, r.stderr, "poststart fails")
	status, _ := c.status()
	require.Equal(t, "running", status)
}

func TestDebugLogsWhatIsDone(t *testing.T) {
	c := newBundle(t, "sleep", "1000")
	c.write()
	log := filepath.Join(t.TempDir(), "log.json")
	create := func(flags ...string) {
		t.Helper()
		flags = append(flags, "--log", log, "--log-format", "json", "create", "--bundle", c.dir, c.id)
		require.Equal(t, result{}, c.toFiles(c.call(flags...)))
		require.Equal(t, result{}, c.final("delete", c.id))
	}
	create()
	require.Empty(t, logOf(t, log))
	create("--debug")
	all := ""
	for _, l := range logOf(t, log) {
		require.Equal(t, "debug", l.Level)
		all += l.Msg + "\n"
	}
	for _, word := range []string{"host: ", "container: ", "clone(", "pivot_root(", "pivot_root(2)"} {
		require.Contains(t, all, word)
	}
	c.nothingLeft()
}
