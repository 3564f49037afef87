//go:build linux

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/require"

	"container-workshop/final/cgroup"
)

// as returns a call of the program by a link with the name of another runtime, in the directory of the bundle.
func (c *bundled) as(name string, args ...string) *exec.Cmd {
	c.Helper()
	cmd := c.call(args...)
	link := filepath.Join(c.TempDir(), name)
	require.NoError(c, os.Symlink(cmd.Path, link))
	cmd.Path, cmd.Args[0], cmd.Dir = link, link, c.dir
	return cmd
}

func TestALinkStandsInForAnotherRuntime(t *testing.T) {
	for _, name := range []string{"runc", "crun"} {
		c := newBundle(t, "sh", "-c", "echo out; exit 3")
		c.write()
		require.Equal(t, result{"out\n", "", 3}, outcome(t, c.as(name, "run", c.id)))
		require.Equal(t, result{"out\n", "", 3}, outcome(t, c.as(name, "run", c.id, "--bundle", ".")))
		require.Equal(t, result{"out\n", "", 3}, outcome(t, c.as(name, "run", "--keep", "--no-subreaper", c.id)))
		require.Equal(t, result{}, outcome(t, c.as(name, "delete", c.id)))
		pid := filepath.Join(t.TempDir(), "pid")
		c.spec.Process.Args = []string{"sleep", "1000"}
		c.write()
		require.Equal(t, result{}, c.toFiles(c.as(name, "run", "-d", "--pid-file", pid, c.id)))
		require.Equal(t, c.first(), pidIn(t, pid))
		require.Equal(t, result{"in\n", "", 0}, outcome(t, c.as(name, "exec", c.id, "echo", "in")))
		require.Equal(t, result{}, outcome(t, c.as(name, "delete", "--force", c.id)))
		c.nothingLeft()

		require.Regexp(t, "^"+name+` version \d+\.\d+\.\d+.*\ncommit: .*\nspec: \d+\.\d+\.\d+`, outcome(t, c.as(name, "--version")).stdout)
		require.Contains(t, outcome(t, c.as(name, "--help")).stdout, "\n   run        [flags] ID ")
		help := outcome(t, c.as(name, "run", "--help"))
		require.Contains(t, help.stdout, "   "+name+" run [flags] ID\n")
		require.Contains(t, help.stdout, "--bundle")
		require.NotContains(t, help.stdout, "--memory")
		for _, v := range allVerbs() {
			for _, flag := range []string{"-h", "--help"} {
				r := outcome(t, c.as(name, v.name, flag))
				require.Equal(t, []any{0, ""}, []any{r.status, r.stderr}, v.name)
				require.True(t, strings.HasPrefix(r.stdout, "NAME:\n   "+name+" "+v.name+" - "), r.stdout)
			}
		}
		refused(t, outcome(t, c.as(name, "foo", "-h")), 1, "No help topic for 'foo'")
	}
	// By its own name it is the workshop's.
	require.Contains(t, final(t, "run", "--help").stdout, "--memory")
	require.Contains(t, final(t, "--help").stdout, "\n   run        [flags] COMMAND [ARG ...] ")
}

// Through a link named runc, a failure has runc's exit status. Only the workshop's own name gives 126 and 127.
func TestTheStatusOfAFailureIsThatOfTheRuntimeStoodInFor(t *testing.T) {
	c := newBundle(t, "no-such-command")
	c.write()
	for _, m := range []struct {
		args     []string
		status   int
		standsIn int
		words    string
	}{
		{[]string{"run", "--bundle", c.dir, c.id}, 127, 1, "executable file not found"},
		{[]string{"run", "--bundle", c.dir + "/none", c.id}, 1, 1, "config.json"},
		{[]string{"run", "--bundle", c.dir, "--no-such-flag", c.id}, 1, 1, "--no-such-flag"},
		{[]string{"run", "--bundle", c.dir}, 1, 1, "number of arguments"},
		{[]string{"run", "--no-such-flag", "true"}, 125, 1, "--no-such-flag"},
		{[]string{"exec", c.id, "true"}, 255, 255, "does not exist"},
		{[]string{"exec", "--no-such-flag", c.id}, 255, 255, "--no-such-flag"},
		{[]string{"no-such-verb"}, 125, 1, "no-such-verb"},
		{[]string{"--no-such-flag"}, 125, 1, "--no-such-flag"},
		{nil, 125, 1, "no command"},
	} {
		refused(t, c.final(m.args...), m.status, m.words)
		refused(t, outcome(t, c.as("runc", m.args...)), m.standsIn, m.words)
		c.nothingLeft()
	}
	c.spec.Process.Args = []string{"sleep", "1000"}
	c.started()
	for _, m := range []struct {
		command string
		status  int
		words   string
	}{{"no-such-command", 127, "executable file not found"}, {"/etc", 126, "/etc"}} {
		refused(t, c.final("exec", c.id, m.command), m.status, m.words)
		refused(t, outcome(t, c.as("runc", "exec", c.id, m.command)), 255, m.words)
	}
	for _, status := range []string{"1", "125", "126", "127", "200", "255"} {
		want := outcome(t, exec.Command("sh", "-c", "exit "+status))
		require.Equal(t, want, outcome(t, c.as("runc", "exec", c.id, "sh", "-c", "exit "+status)))
	}
}

// crun(1)
func TestTheFlagsOfCrun(t *testing.T) {
	c := newBundle(t, "true")
	c.write()
	log := filepath.Join(t.TempDir(), "log")
	for _, flags := range [][]string{{"--cgroup-manager=cgroupfs"}, {"--cgroup-manager", "cgroupfs", "--debug", "--log", "file:" + log}} {
		require.Equal(t, result{}, outcome(t, c.as("crun", append(flags, "run", c.id)...)), flags)
	}
	text, err := os.ReadFile(log)
	require.NoError(t, err)
	require.Contains(t, string(text), "level=debug")
	for _, config := range []string{"other.json", c.dir + "/other.json"} {
		_ = os.Rename(filepath.Join(c.dir, "config.json"), filepath.Join(c.dir, "other.json"))
		require.Equal(t, result{}, outcome(t, c.as("crun", "run", "--config", config, c.id)))
		require.Equal(t, result{}, c.toFiles(c.as("crun", "create", c.id, "-f", config)))
		require.Equal(t, result{}, c.final("delete", c.id))
		refused(t, outcome(t, c.as("crun", "run", c.id)), 1, "config.json")
	}
	c.write()
	refused(t, outcome(t, c.as("crun", "--cgroup-manager=disabled", "run", c.id)), 1, "--cgroup-manager", "use cgroupfs or systemd")
	refused(t, outcome(t, c.as("crun", "--cgroup-manager=x", "run", c.id)), 1, "--cgroup-manager", "use cgroupfs or systemd")
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		refused(t, outcome(t, c.as("crun", "--cgroup-manager=systemd", "run", c.id)), 1, "systemd is not running")
	}
	c.nothingLeft()
}

func TestFlagsMayStandBehindTheID(t *testing.T) {
	c := newBundle(t, "sleep", "1000")
	c.write()
	require.Equal(t, result{}, c.toFiles(c.call("create", c.id, "--bundle", c.dir)))
	require.Equal(t, result{}, c.final("start", c.id))
	require.Equal(t, result{}, c.final("update", c.id, "--pids-limit", "50", "--memory", "-1"))
	require.Equal(t, "50", c.limit("pids.max", "pids.max"))
	require.Equal(t, 0, c.final("events", c.id, "--stats").status)
	refused(t, c.final("list", c.id), 1, "wrong number of arguments")
	require.Equal(t, result{}, c.final("kill", "--all", c.id, "KILL"))
	require.Equal(t, result{}, c.final("delete", c.id, "--force"))
	c.nothingLeft()
	// And what is behind the command of run is the command's, be it --bundle.
	r := c.final(c.runArgs(nil, "echo", "--bundle", c.dir)...)
	require.Equal(t, result{"--bundle " + c.dir + "\n", "", 0}, r)
	c.nothingLeft()
}

// A shell gives a command's output as a file the name /dev/fd/63. bash(1), "Process Substitution"
func TestExecReadsTheProcessFromADescriptor(t *testing.T) {
	c := newBundle(t, "sleep", "1000")
	c.started()
	content, err := json.Marshal(c.joining("echo", "from a pipe"))
	require.NoError(t, err)
	for fd, name := range map[string]string{"0": "/dev/stdin", "3": "/dev/fd/3", "9": "/proc/self/fd/9", "63": "/dev/fd/63"} {
		cmd := c.call("exec", "--process", name, c.id)
		script := "cat | { exec " + fd + `<&0; [ ` + fd + ` = 0 ] || exec </dev/null; exec "$@"; }`
		cmd.Args = append([]string{"bash", "-c", script, "bash", cmd.Path}, cmd.Args[1:]...)
		cmd.Path, err = exec.LookPath("bash")
		require.NoError(t, err)
		cmd.Stdin = strings.NewReader(string(content))
		require.Equal(t, result{"from a pipe\n", "", 0}, outcome(t, cmd), name)
	}
}

func TestDebugIsForExecToo(t *testing.T) {
	c := newBundle(t, "sleep", "1000")
	c.started()
	log := filepath.Join(t.TempDir(), "log")
	for _, args := range [][]string{{"exec", c.id, "true"}, {"exec", "-d", c.id, "true"}} {
		require.Equal(t, result{}, c.toFiles(c.call(append([]string{"--debug", "--log", log}, args...)...)))
		text, err := os.ReadFile(log)
		require.NoError(t, err)
		require.Regexp(t, `level=debug msg="host: .*setns`, string(text))
		require.NoError(t, os.Remove(log))
	}
	// Without a log it is on standard error, in the same words.
	require.Contains(t, c.final("--debug", "exec", c.id, "true").stderr, " level=debug msg=")
}

// What spec writes is what runc writes, where tests and tools count on that.
func TestSpecIsAsRuncHasIt(t *testing.T) {
	c := newBundle(t)
	require.Equal(t, result{}, c.final("spec", "--bundle", c.dir))
	text, err := os.ReadFile(filepath.Join(c.dir, "config.json"))
	require.NoError(t, err)
	var spec specs.Spec
	require.NoError(t, json.Unmarshal(text, &spec))
	caps := []string{"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"}
	require.ElementsMatch(t, caps, spec.Process.Capabilities.Bounding)
	mode, err := cgroup.Detect()
	require.NoError(t, err)
	own := 0
	for _, n := range spec.Linux.Namespaces {
		if n.Type == specs.CgroupNamespace {
			own++
		}
	}
	require.Equal(t, mode == cgroup.V2, own == 1)
	require.Len(t, spec.Linux.Namespaces, 5+own)
}
