//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// asFile writes a process into a file, as callers have it for exec.
func (c *bundled) asFile(process *specs.Process) string {
	c.Helper()
	content, err := json.Marshal(process)
	require.NoError(c, err)
	name := filepath.Join(c.TempDir(), "process.json")
	require.NoError(c, os.WriteFile(name, content, 0o600))
	return name
}

// joining is a process for exec, that can be found.
func (c *bundled) joining(args ...string) *specs.Process {
	return &specs.Process{Args: args, Cwd: "/", Env: []string{"PATH=/bin", c.mark}}
}

// statusOf returns lines of the status of a process, as the host sees it. proc_pid_status(5)
func statusOf(t *testing.T, pid int, names ...string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	values := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		for _, want := range names {
			if name == want {
				values[name] = strings.Join(strings.Fields(value), " ")
			}
		}
	}
	return values
}

// pidIn reads a pid file.
func pidIn(t *testing.T, name string) int {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	pid, err := strconv.Atoi(string(text))
	require.NoError(t, err, "%q", text)
	return pid
}

func TestExecTakesAProcessFromAFile(t *testing.T) {
	c := newBundle(t, "sleep", "1000")
	c.started()
	p := c.joining("sh", "-c", `echo "$1" $A $PWD $(id -u) $(id -G) $(umask) $(ulimit -n); `+
		`while read -r k v; do case $k in Cap*|NoNew*) echo $k $v;; esac; done </proc/self/status`, "sh", "a b")
	p.Env = append(p.Env, "A=1")
	p.Cwd = "/tmp"
	p.User = specs.User{UID: 5, GID: 6, AdditionalGids: []uint32{7, 8}, Umask: new(uint32(0o27))}
	p.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 64, Hard: 64}}
	kill := []string{"CAP_KILL"}
	p.Capabilities = &specs.LinuxCapabilities{Bounding: []string{"CAP_CHOWN", "CAP_KILL"}, Permitted: kill, Effective: kill,
		Inheritable: kill, Ambient: kill}
	p.NoNewPrivileges = true
	want := "a b 1 /tmp 5 6 7 8 0027 64\n" +
		"CapInh: 0000000000000020\nCapPrm: 0000000000000020\nCapEff: 0000000000000020\n" +
		"CapBnd: 0000000000000021\nCapAmb: 0000000000000020\nNoNewPrivs: 1\n"
	require.Equal(t, result{want, "", 0}, c.final("exec", "--process", c.asFile(p), c.id))
	require.Equal(t, result{want, "", 0}, c.final("exec", "-p="+c.asFile(p), c.id))
	p.Args = []string{"sh", "-c", "cat; exit 9"}
	cmd := c.call("exec", "--process", c.asFile(p), c.id)
	cmd.Stdin = strings.NewReader("typed\n")
	require.Equal(t, result{"typed\n", "", 9}, outcome(t, cmd))

	refused(t, c.final("exec", "--process", c.asFile(p), c.id, "true"), 255, "--process")
	refused(t, c.final("exec", "--process", c.dir+"/none", c.id), 255, c.dir+"/none", "no such file")
	refused(t, c.final("exec", c.id), 255, "no command")
	p.Args = nil
	refused(t, c.final("exec", "--process", c.asFile(p), c.id), 255, "process.args")
	require.NoError(t, os.WriteFile(c.dir+"/bad", []byte("{"), 0o600))
	refused(t, c.final("exec", "--process", c.dir+"/bad", c.id), 255, c.dir+"/bad", "line 1")
}

func TestADetachedExecOutlivesItsCaller(t *testing.T) {
	c := newBundle(t, "sleep", "1000")
	c.started()
	pid := filepath.Join(t.TempDir(), "pid")
	r := c.toFiles(c.call("exec", "--detach", "--pid-file", pid, "--process", c.asFile(c.joining("sleep", "1234")), c.id))
	require.Equal(t, result{}, r)
	first := pidIn(t, pid)
	r = c.toFiles(c.call("exec", "-d", "--pid-file="+pid, c.id, "sleep", "4321"))
	require.Equal(t, result{}, r)
	for number, args := range map[int]string{first: "sleep\x001234\x00", pidIn(t, pid): "sleep\x004321\x00"} {
		// An execve that exec has seen succeed may not have come to the arguments.
		c.until(func() bool { return cmdline(number) == args }, func() string { return fmt.Sprintf("%q", cmdline(number)) })
		require.Equal(t, namespacesOf(t, c.first()), namespacesOf(t, number))
		require.NotEqual(t, c.first(), number)
	}
	require.Len(t, c.processes(), 3)
	// Of the two that were started one ends, and the container goes on.
	require.NoError(t, unix.Kill(first, unix.SIGKILL))
	c.until(func() bool { return len(c.processes()) == 2 }, func() string { return "it does not end" })
	status, _ := c.status()
	require.Equal(t, "running", status)
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

// namespacesOf returns all namespaces of a process.
func namespacesOf(t *testing.T, pid int) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range []string{"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"} {
		all[name], _ = os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, name))
	}
	require.NotEmpty(t, all["mnt"])
	return all
}

func TestTheFlagsOfExecChangeTheProcess(t *testing.T) {
	c := newBundle(t, "sleep", "1000")
	c.spec.Process.NoNewPrivileges = false
	c.spec.Process.Capabilities = &specs.LinuxCapabilities{Bounding: []string{"CAP_CHOWN"}, Permitted: []string{"CAP_CHOWN"},
		Effective: []string{"CAP_CHOWN"}}
	require.NoError(t, os.WriteFile(c.in("etc/passwd"), []byte("root:x:0:0::/:/bin/sh\nuser:x:40:41::/:/bin/sh\n"), 0o644))
	c.started()
	show := []string{c.id, "sh", "-c", `echo $PWD $(id -u):$(id -g) $(id -G) $A; ` +
		`while read -r k v; do case $k in CapEff:|NoNew*) echo $v;; esac; done </proc/self/status`}
	for _, m := range []struct{ flags, want string }{
		{"", "/ 0:0 0\n0000000000000001\n0\n"},
		{"--cwd /tmp", "/tmp 0:0 0\n0000000000000001\n0\n"},
		{"--user 1:2", "/ 1:2 2\n0000000000000000\n0\n"},
		{"-u 40", "/ 40:41 41\n0000000000000000\n0\n"},
		{"-u user --additional-gids 9 --additional-gids=10", "/ 40:41 41 9 10\n0000000000000000\n0\n"},
		{"-g 9", "/ 0:0 0 9\n0000000000000001\n0\n"},
		{"--cap CAP_KILL", "/ 0:0 0\n0000000000000021\n0\n"},
		{"--no-new-privs", "/ 0:0 0\n0000000000000001\n1\n"},
		{"--env A=1 -e B=2", "/ 0:0 0 1\n0000000000000001\n0\n"},
		{"--tty=false", "/ 0:0 0\n0000000000000001\n0\n"},
	} {
		assert.Equal(t, result{m.want, "", 0}, c.final(append(append([]string{"exec"}, strings.Fields(m.flags)...), show...)...),
			m.flags)
	}
	for _, m := range [][]string{{"--user", "no-such"}, {"--cwd", "tmp"}, {"--cap", "NO_SUCH"}, {"--additional-gids", "x"},
		{"--cgroup", "../x"}, {"--cgroup", "none"}} {
		refused(t, c.final(append(append([]string{"exec"}, m...), show...)...), 255, m[1])
	}
}

func TestExecMakesNoWorkingDirectory(t *testing.T) {
	c := newBundle(t, "sleep", "1000")
	// It is made for the first process.
	c.spec.Process.Cwd = "/made"
	c.started()
	require.DirExists(t, c.in("made"))
	file := c.asFile(&specs.Process{Args: []string{"true"}, Cwd: "/missing/below"})
	for _, args := range [][]string{{"--cwd", "/missing", c.id, "true"}, {"-w", "/missing/below", c.id, "true"}, {"--process", file, c.id}} {
		refused(t, c.final(append([]string{"exec"}, args...)...), 255, `chdir to cwd ("/missing`, "no such file or directory")
		require.NoDirExists(t, c.in("missing"))
	}
	require.NoError(t, os.Remove(c.in("made")))
	refused(t, c.final("exec", c.id, "true"), 255, "chdir to cwd", "no such file or directory")
	require.Equal(t, result{}, c.final("exec", "--cwd", "/", c.id, "true"))
}

// CVE-2022-29162
func TestExecAddsInheritableCapabilitiesOnlyToOthers(t *testing.T) {
	c := newBundle(t, "sleep", "1000")
	c.spec.Process.Capabilities = &specs.LinuxCapabilities{Bounding: []string{"CAP_CHOWN"}}
	sets := func() string {
		return c.exec("grep -E '^Cap' /proc/self/status | busybox sed 's/.*\\(..\\)$/\\1/' | busybox tr '\\n' ' '", "--cap", "CAP_KILL")
	}
	c.started()
	require.Equal(t, "00 20 20 21 00 ", sets())
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	chown := []string{"CAP_CHOWN"}
	c.spec.Process.Capabilities.Inheritable = chown
	c.started()
	require.Equal(t, "21 20 20 21 00 ", sets())
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.spec.Process.Capabilities = &specs.LinuxCapabilities{Bounding: chown, Permitted: chown, Inheritable: chown, Ambient: chown}
	c.started()
	require.Equal(t, "21 21 21 21 21 ", sets())
}

func TestExecJoinsACgroupBelowThatOfTheContainer(t *testing.T) {
	c := newBundle(t, "sleep", "1000")
	c.started()
	below := 0
	for _, pattern := range []string{"/sys/fs/cgroup/*", "/sys/fs/cgroup"} {
		dirs, err := filepath.Glob(pattern + c.spec.Linux.CgroupsPath)
		require.NoError(t, err)
		for _, dir := range dirs {
			if info, err := os.Lstat(filepath.Dir(dir)); err != nil || !info.IsDir() {
				// It is a link to a tree with two controllers.
				continue
			}
			require.NoError(t, os.Mkdir(filepath.Join(dir, "below"), 0o755))
			below++
			for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
				// Of version 1: without any no process is taken. cpuset(7)
				if value, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
					_ = os.WriteFile(filepath.Join(dir, "below", name), value, 0)
				}
			}
		}
	}
	require.NotZero(t, below)
	pid := filepath.Join(t.TempDir(), "pid")
	require.Equal(t, result{}, c.toFiles(c.call("exec", "--detach", "--pid-file", pid, "--cgroup", "below", c.id, "sleep", "1000")))
	count := func(number int) int {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", number))
		require.NoError(t, err)
		return strings.Count(string(text), c.spec.Linux.CgroupsPath+"/below\n")
	}
	require.Equal(t, below, count(pidIn(t, pid)))
	require.Zero(t, count(c.first()))
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

func TestTheStatusOfExecIsThatOfTheCommand(t *testing.T) {
	c := newBundle(t, "sleep", "1000")
	c.started()
	for script, status := range map[string]int{"exit 0": 0, "exit 3": 3, "exit 255": 255, "kill -KILL $$": 137,
		"kill -TERM $$": 143} {
		require.Equal(t, result{"", "", status}, c.final("exec", c.id, "sh", "-c", script), script)
		require.Equal(t, result{"", "", status}, c.final("exec", "--process", c.asFile(c.joining("sh", "-c", script)), c.id), script)
	}
	refused(t, c.final("exec", "no-such-id", "true"), 255, "no-such-id", "does not exist")
	require.Equal(t, result{}, c.final("kill", c.id, "KILL"))
	c.stopped()
	refused(t, c.final("exec", c.id, "true"), 255, "container not running")
}

func TestExecIntoACreatedContainer(t *testing.T) {
	c := newBundle(t, "sh", "-c", "echo ran >/ran; exec sleep 1000")
	c.write()
	require.NoError(t, c.call("create", "--bundle", c.dir, c.id).Run())
	require.Equal(t, result{"in\n", "", 0}, c.final("exec", c.id, "sh", "-c", "[ ! -e /ran ] && echo in; exit"))
	require.Equal(t, result{}, c.toFiles(c.call("exec", "-d", c.id, "sleep", "1000")))
	status, _ := c.status()
	require.Equal(t, "created", status)
	require.Equal(t, result{}, c.final("start", c.id))
	c.wrote("ran", "ran\n")
	require.Len(t, c.processes(), 2)
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

// holder starts a process with namespaces of its own, for others to join.
func holder(t *testing.T, flags uintptr) int {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", "exec sleep 1000")
	cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: flags, Pdeathsig: unix.SIGKILL}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}
