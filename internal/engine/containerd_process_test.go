//go:build linux && engines

package engine

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// started starts a shell script in a container and waits until the script has made the file /out/ready. It returns the ID and the
// path of /out on the host.
func (c *containerd) started(script string, flags ...string) (id, out string) {
	c.Helper()
	out = folder(c)
	id = c.detached(script, append(flags, "--mount", "type=bind,src="+out+",dst=/out,options=rbind:rw")...)
	until(c, "the container is ready", func() bool {
		_, err := os.Stat(out + "/ready")
		return err == nil
	}, c.log)
	return id, out
}

func TestContainerdTerminal(t *testing.T) {
	c := newContainerd(t)
	const script = `tty
until [ "$(stty size)" = "31 87" ]; do sleep 0.01; done; echo small
until [ "$(stty size)" = "44 101" ]; do sleep 0.01; done; echo large
trap 'echo interrupted; exit 5' INT
read line; echo got $line; while :; do sleep 0.01; done`
	session := func(x *terminal) {
		t.Helper()
		x.shows("/dev/pts/0\r")
		x.shows("small\r")
		x.resize(44, 101)
		x.shows("large\r")
		x.types("this\n")
		x.shows("got this\r")
		x.types("\x03")
		x.shows("interrupted\r")
		require.Equal(t, 5, x.status())
	}
	session(c.onTerminal(script))
	id := c.detached("sleep 1000")
	session(atTerminal(t, c.client("task", "exec", "--tty", "--exec-id", "e", id, "/bin/sh", "-c", script)))
}

func TestContainerdConsole(t *testing.T) {
	c := newContainerd(t)
	x := c.onTerminal("echo console >/dev/console; echo tty >/dev/tty; exit 3")
	x.shows("console\r")
	x.shows("tty\r")
	require.Equal(t, 3, x.status())
	// The message about a command that does not exist appears on the terminal.
	x = atTerminal(t, c.client(c.runArgs(c.newID(), []string{"--rm", "--tty"}, "no-such-command")...))
	x.shows("not found in $PATH")
	require.Equal(t, 1, x.status())
}

func TestContainerdDetached(t *testing.T) {
	c := newContainerd(t)
	// ctr attaches to named pipes.
	id := c.newID()
	c.ctr(c.scriptArgs(id, []string{"--detach", "--fifo-dir", c.path("pipes")}, "sleep 1000 & read line; echo got $line; read end; exit 7")...)
	_, status := c.task(id)
	require.Equal(t, "RUNNING", status)
	until(t, "task ps shows two processes", func() bool { return strings.Count(c.ctr("task", "ps", id), "\n") == 2 },
		func() string { return c.ctr("task", "ps", id) })
	x := atTerminal(t, c.client("task", "attach", id))
	x.types("this\n")
	x.shows("got this\r")
	// ctr may drop what a container writes right before its end.
	x.types("end\n")
	require.Equal(t, 7, x.status())
}

func TestContainerdLogs(t *testing.T) {
	c := newContainerd(t)
	id := c.newID()
	c.ctr(c.scriptArgs(id, []string{"--detach", "--log-uri", "file://" + c.path("log")}, "echo out; echo err >&2; exit 6")...)
	c.becomes(id, "STOPPED")
	text := func() string { return read(t, c.path("log")) }
	until(t, "both lines are in the log", func() bool { return len(text()) == len("out\nerr") }, text)
	require.ElementsMatch(t, []string{"out", "err"}, strings.Split(text(), "\n"))
	require.Contains(t, c.try("task", "delete", id).stderr, "exit code 6")
}

func TestContainerdExec(t *testing.T) {
	c := newContainerd(t)
	id := c.detached("sleep 1000", "--env", "A=b")
	require.Equal(t, result{"b /\n", "err\n", 4}, c.exec(id, "echo $A $PWD; echo err >&2; exit 4"))
	require.Equal(t, "user 1000 /tmp\n", c.exec(id, "echo $(id -un) $(id -g) $(pwd)", "--user", "user", "--cwd", "/tmp").stdout)
	require.Equal(t, "12 34\n", c.exec(id, "echo $(id -u) $(id -g)", "--user", "12:34").stdout)
	require.Equal(t, "0000000000000000\n", c.exec(id, "grep CapEff /proc/self/status | cut -f 2", "--user", "12:34").stdout)

	cmd := c.client("task", "exec", "--exec-id", "input", id, "/bin/sh", "-c", "read line; echo got $line")
	cmd.Stdin = strings.NewReader("this\n")
	require.Equal(t, "got this\n", outcome(t, cmd).stdout)

	// exec joins all namespaces and the root directory of the container.
	pid, _ := c.task(id)
	require.Equal(t, "image", strings.TrimSpace(c.exec(id, "cat /etc/hostname").stdout))
	for _, kind := range []string{"ipc", "mnt", "net", "pid", "uts"} {
		link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
		require.NoError(t, err)
		require.Equal(t, link+"\n", c.exec(id, "readlink /proc/self/ns/"+kind).stdout)
	}
}

func TestContainerdExecOfACommandThatCannotRun(t *testing.T) {
	c := newContainerd(t)
	id := c.detached("sleep 1000")
	for command, words := range map[string]string{
		"no-such-command":     `no-such-command.* not found in \$PATH`,
		"/no/such/command":    `(?i)no such file or directory`,
		"/etc/not-executable": `(?i)permission denied`,
	} {
		r := c.try("task", "exec", "--exec-id", "same", id, command)
		require.Equal(t, 1, r.status)
		require.Contains(t, r.stderr, "OCI runtime exec failed: ")
		require.NotContains(t, r.stderr, "unable to retrieve OCI runtime error")
		require.Regexp(t, words, r.stderr)
	}
	require.Equal(t, 5, c.exec(id, "exit 5").status)
}

func TestContainerdExecDetached(t *testing.T) {
	c := newContainerd(t)
	id, out := c.started(": >/out/ready; sleep 1000")
	c.ctr("task", "exec", "--detach", "--exec-id", "second", "--fifo-dir", c.path("pipes"), id,
		"/bin/sh", "-c", "trap 'echo ended >/out/ended; exit' TERM; : >/out/second; while :; do sleep 0.01; done")
	until(t, "the second process runs", func() bool { return slices.Contains(names(t, out), "second") }, c.log)
	require.Contains(t, c.ctr("task", "ps", id), "second")
	c.ctr("task", "kill", "--signal", "TERM", "--exec-id", "second", id)
	until(t, "the signal has arrived", func() bool { return slices.Contains(names(t, out), "ended") }, c.log)
	until(t, "the second process is gone", func() bool {
		return c.try("task", "delete", "--exec-id", "second", id).status == 0
	}, c.log)
	_, status := c.task(id)
	require.Equal(t, "RUNNING", status)
}

// names lists a folder.
func names(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var all []string
	for _, entry := range entries {
		all = append(all, entry.Name())
	}
	return all
}
