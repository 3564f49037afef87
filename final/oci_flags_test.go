//go:build linux

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestFlagsComeInEitherForm(t *testing.T) {
	dir := t.TempDir()
	pid := filepath.Join(dir, "pid")
	for _, flags := range [][]string{
		{"--bundle", "DIR", "--pid-file", pid, "--preserve-fds", "0"},
		{"--bundle=DIR", "--pid-file=" + pid, "--preserve-fds=0", "--no-pivot=false"},
		{"-b", "DIR", "--pid-file", pid},
		{"-b=DIR", "--pid-file", pid},
		{"-bDIR", "--pid-file", pid},
	} {
		c := newBundle(t, "sleep", "1000")
		c.write()
		for i := range flags {
			flags[i] = strings.ReplaceAll(flags[i], "DIR", c.dir)
		}
		log := filepath.Join(dir, "log")
		for _, global := range [][]string{{"--root", c.root, "--log", log, "--log-format", "json"}, {"--root=" + c.root,
			"--log=" + log, "--log-format=json", "--rootless=false"}} {
			// The last --root counts.
			cmd := c.call(append(append(append(global, "create"), flags...), c.id)...)
			require.NoError(t, cmd.Run(), cmd.Args)
			require.FileExists(t, pid)
			require.NoError(t, os.Remove(pid))
			require.Equal(t, result{}, c.final("kill", "--all=true", c.id, "9"))
			require.Equal(t, result{}, c.final("delete", "--force=true", c.id))
		}
		c.nothingLeft()
	}
	for _, value := range []string{"true", "false", "auto"} {
		require.Equal(t, 0, final(t, "--rootless", value, "--root", dir, "list").status)
	}
	for _, wrong := range [][]string{{"--rootless", "maybe", "list"}, {"--log-format", "xml", "list"}, {"--no-such", "list"}} {
		r := final(t, wrong...)
		require.NotEqual(t, 0, r.status)
		require.Equal(t, 1, strings.Count(r.stderr, "\n"), r.stderr)
		require.Contains(t, r.stderr, wrong[0])
	}
}

func TestWhatIsBehindTheIDOfExecIsTheCommands(t *testing.T) {
	c := newBundle(t, "sh", "-c", `echo "$@" >/args; exec sleep 1000`, "sh", "--user", "1", "--force", "-d")
	c.started()
	c.wrote("args", "--user 1 --force -d\n")
	words := []string{"--user", "7", "-e", "A=1", "--cwd=/tmp", "-t", "--", "--detach"}
	require.Equal(t, result{strings.Join(words, " ") + " 0 /\n", "", 0}, c.final(append([]string{"exec", c.id, "sh", "-c",
		`echo "$@" $(id -u) $PWD`, "sh"}, words...)...))
	status, _ := c.status()
	require.Equal(t, "running", status)
}

// With systemd's cgroups a path of this form is that of a scope, and without them it is a directory.
func TestACgroupWithColonsIsADirectoryUnlessSystemdIsAskedForIt(t *testing.T) {
	c := newBundle(t, "sleep", "1000")
	c.spec.Linux.CgroupsPath = "test.slice:cri-containerd:" + c.id
	c.started()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(c.first()) + "/cgroup")
	require.NoError(t, err)
	require.Contains(t, string(text), "/"+c.spec.Linux.CgroupsPath+"\n")
	require.NotEmpty(t, named(t, c.id))
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	require.Empty(t, named(t, c.id))
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		t.Skip("needs a host without systemd")
	}
	refused(t, c.final("--systemd-cgroup", "create", "--bundle", c.dir, c.id), 1, "systemd")
	require.Empty(t, named(t, c.id))
	c.nothingLeft()
}

func TestTheVersionIsInLinesThatCallersRead(t *testing.T) {
	for _, flag := range []string{"--version", "-v"} {
		r := final(t, flag)
		require.Equal(t, 0, r.status, r.stderr)
		require.Empty(t, r.stderr)
		lines := strings.Split(r.stdout, "\n")
		self, err := os.Executable()
		require.NoError(t, err)
		require.Regexp(t, `^`+regexp.QuoteMeta(filepath.Base(self))+` version [0-9]+\.[0-9]+\.[0-9]+\S*$`, lines[0])
		require.Contains(t, lines[1:], "spec: "+specs.Version)
		require.Equal(t, "1.3.0", specs.Version)
	}
}

func TestWhatIsNotDoneIsRefused(t *testing.T) {
	c := newTrial(t)
	for _, args := range [][]string{
		{"checkpoint", "some-id"}, {"checkpoint", "--image-path", "/tmp/x", "--leave-running", "some-id"}, {"restore", "--bundle",
			"/", "--detach", "some-id"}, {"restore"},
	} {
		refused(t, c.final(args...), 1, "not supported", "CRIU")
	}
	c.nothingLeft()
}

func TestDescriptorsAreTheCommandsIfTheCallerSaysSo(t *testing.T) {
	script := "cat <&3; cat <&4; [ -e /proc/self/fd/5 ] || echo no more"
	file := func(text string) *os.File {
		name := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		opened, err := os.Open(name)
		require.NoError(t, err)
		t.Cleanup(func() { opened.Close() })
		return opened
	}
	passed := func(c *bundled, args ...string) result {
		t.Helper()
		cmd := c.call(args...)
		cmd.ExtraFiles = []*os.File{file("three\n"), file("four\n"), file("five\n")}
		return c.toFiles(cmd)
	}
	c := newBundle(t, "sh", "-c", script)
	c.write()
	want := result{"three\nfour\nno more\n", "", 0}
	require.Equal(t, want, passed(c, "run", "--preserve-fds", "2", "--bundle", c.dir, c.id))
	c.nothingLeft()

	c.spec.Process.Args = []string{"sh", "-c", "(" + script + ") >/out; exec sleep 1000"}
	c.write()
	require.Equal(t, result{}, passed(c, "create", "--preserve-fds=2", "--bundle", c.dir, c.id))
	require.Equal(t, result{}, c.final("start", c.id))
	c.wrote("out", want.stdout)
	require.Equal(t, want, passed(c, "exec", "--preserve-fds", "2", c.id, "sh", "-c", script))
	// What is open without being named stays with us.
	r := passed(c, "exec", c.id, "sh", "-c", "for n in 3 4 5; do [ -e /proc/self/fd/$n ] && echo $n; done; true")
	require.Equal(t, result{}, r)
	refused(t, passed(c, "exec", "--preserve-fds", "20", c.id, "true"), 255, "--preserve-fds 20", "not open")
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	refused(t, passed(c, "create", "--preserve-fds", "20", "--bundle", c.dir, c.id), 1, "--preserve-fds 20", "not open")
	c.nothingLeft()
}

// keyrings(7)
func TestTheSessionKeyringIsTheCallersOnlyIfItSaysSo(t *testing.T) {
	c := newBundle(t, "cat", "/proc/keys")
	if _, err := os.Stat("/proc/keys"); err != nil {
		t.Skipf("needs a kernel with keyrings: %v", err)
	}
	c.spec.Linux.MaskedPaths = nil
	// It is that of this thread, which ends with the test.
	keyring, err := unix.KeyctlJoinSessionKeyring("workshop-test")
	require.NoError(t, err)
	key, err := unix.AddKey("user", c.id, []byte("secret"), keyring)
	require.NoError(t, err)
	// Only who has the keyring sees it: who has the same user ID does not.
	require.NoError(t, unix.KeyctlSetperm(key, 0x3f000000))
	with := c.run("--no-new-keyring")
	require.Equal(t, 0, with.status, with.stderr)
	require.Contains(t, with.stdout, c.id)
	without := c.run()
	require.Equal(t, 0, without.status, without.stderr)
	require.NotContains(t, without.stdout, c.id)
	c.nothingLeft()
}

func TestTheRootIsTheContainersWithoutPivotRootToo(t *testing.T) {
	c := newBundle(t, "sh", "-c", "echo $(ls / | grep -c this-root) $(ls /../.. | grep -c this-root); "+
		"cat /proc/self/mountinfo | grep -c ' / / '; ls /proc/1/root/this-root")
	require.NoError(t, os.Symlink("busybox", c.in("bin/grep")))
	require.NoError(t, os.WriteFile(c.in("this-root"), nil, 0o600))
	want := c.run()
	require.Equal(t, 0, want.status, want.stderr)
	require.True(t, strings.HasPrefix(want.stdout, "1 1\n"), want.stdout)
	require.Equal(t, want, c.run("--no-pivot"))
	c.nothingLeft()
}
