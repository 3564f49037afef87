//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/spec"
)

// says runs a shell script as the container, and returns what it prints. It has to end well, without a word of final's.
func (c *bundled) says(script string) string {
	c.Helper()
	c.spec.Process.Args = []string{"sh", "-c", script}
	r := c.run()
	require.Equal(c, 0, r.status, "%s%s", r.stdout, r.stderr)
	require.Empty(c, r.stderr)
	return strings.TrimSuffix(r.stdout, "\n")
}

// stays starts the container with a command that stays, and returns its process 1.
func (c *bundled) stays() int {
	c.Helper()
	c.spec.Process.Args = []string{"sleep", "1000"}
	c.started()
	_, pid := c.status()
	return pid
}

// beside returns another bundle of the same test, whose container has its own ID and root file system.
func (c *bundled) beside() *bundled {
	c.Helper()
	id := c.id + "-beside"
	inner := &trial{T: c.T, root: c.root, id: id, mark: c.mark, mounts: c.mounts}
	other := &bundled{trial: inner, dir: c.TempDir(), spec: spec.Template(false, 0, 0)}
	other.spec.Root.Path, other.spec.Root.Readonly, other.spec.Process.Terminal = rootfsOf(c.T, nil), false, false
	other.spec.Process.Env = append(other.spec.Process.Env, c.mark)
	other.spec.Linux.CgroupsPath = "/container-workshop-" + id
	c.Cleanup(func() { _ = other.call("delete", "--force", id).Run() })
	return other
}

// exec runs a shell script in the container, which has to end well.
func (c *bundled) exec(script string, flags ...string) string {
	c.Helper()
	r := c.final(append(append([]string{"exec"}, flags...), c.id, "sh", "-c", script)...)
	require.Equal(c, 0, r.status, "%s%s", r.stdout, r.stderr)
	require.Empty(c, r.stderr)
	return strings.TrimSuffix(r.stdout, "\n")
}

// joiner writes a process for exec --process.
func (c *bundled) joiner(change func(*specs.Process)) string {
	c.Helper()
	process := *c.spec.Process
	change(&process)
	content, err := json.Marshal(process)
	require.NoError(c, err)
	return file(c.T, "process.json", string(content))
}

// inStatus returns a line of /proc/PID/status. proc_pid_status(5)
func inStatus(t *testing.T, pid int, field string) string {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	_, rest, found := strings.Cut("\n"+string(content), "\n"+field+":")
	require.True(t, found, field)
	value, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(value)
}

func TestTheWorkingDirectoryOfABundle(t *testing.T) {
	c := newBundle(t)
	c.spec.Process.Cwd = "/made/for it"
	c.spec.Process.User = specs.User{UID: 1000, GID: 1000}
	require.Equal(t, "/made/for it\n755 0 0", c.says("pwd; stat -c '%a %u %g' ."))
	require.DirExists(t, filepath.Join(c.spec.Root.Path, "made/for it"))

	// The root is read-only for the container, and not for who makes it.
	c.spec.Process.Cwd, c.spec.Root.Readonly = "/not/there", true
	require.Equal(t, "/not/there", c.says("pwd"))
	c.spec.Process.Cwd = "/bin/busybox"
	refused(t, c.run(), 1, "/bin/busybox", "not a directory")
	c.nothingLeft()
}

func TestTheUserOfABundle(t *testing.T) {
	c := newBundle(t)
	umask := uint32(0o027)
	c.spec.Process.User = specs.User{UID: 1000, GID: 1001, Umask: &umask, AdditionalGids: []uint32{7, 0, 5, 0}}
	show := "echo $(id -u) $(id -g); umask; " + rights("Groups:|Uid:|Gid:")
	want := "1000 1001\n0027\nUid: 1000 1000 1000 1000\nGid: 1001 1001 1001 1001\nGroups: 0 0 5 7"
	require.Equal(t, want, strings.ReplaceAll(c.says(show), "\t", " "))
	// Without a word about them there are none of the caller's.
	c.spec.Process.User = specs.User{UID: 3}
	require.Equal(t, "3 0\n0022\nUid: 3 3 3 3\nGid: 0 0 0 0\nGroups:", strings.ReplaceAll(c.says(show), "\t", " "))

	c.stays()
	joined := c.execAs(func(p *specs.Process) { p.User = specs.User{UID: 4, GID: 9, AdditionalGids: []uint32{8}} }, show)
	require.Equal(t, "4 9\n0022\nUid: 4 4 4 4\nGid: 9 9 9 9\nGroups: 8", strings.TrimSpace(strings.ReplaceAll(joined, "\t", " ")))
}

// execAs runs a shell script in the container, as another process than its first, by exec --process.
func (c *bundled) execAs(change func(*specs.Process), script string) string {
	c.Helper()
	name := c.joiner(func(p *specs.Process) {
		p.Args = []string{"sh", "-c", script}
		change(p)
	})
	r := c.final("exec", "--process", name, c.id)
	require.Equal(c, 0, r.status, "%s%s", r.stdout, r.stderr)
	require.Empty(c, r.stderr)
	return strings.TrimSuffix(r.stdout, "\n")
}

func TestTheLimitsOfAProcess(t *testing.T) {
	c := newBundle(t)
	lines := map[string]string{
		"RLIMIT_AS": "Max address space", "RLIMIT_CORE": "Max core file size", "RLIMIT_CPU": "Max cpu time", "RLIMIT_DATA": "Max data size",
		"RLIMIT_FSIZE": "Max file size", "RLIMIT_LOCKS": "Max file locks", "RLIMIT_MEMLOCK": "Max locked memory",
		"RLIMIT_MSGQUEUE": "Max msgqueue size", "RLIMIT_NICE": "Max nice priority", "RLIMIT_NOFILE": "Max open files",
		"RLIMIT_NPROC": "Max processes", "RLIMIT_RSS": "Max resident set", "RLIMIT_RTPRIO": "Max realtime priority",
		"RLIMIT_RTTIME": "Max realtime timeout", "RLIMIT_SIGPENDING": "Max pending signals", "RLIMIT_STACK": "Max stack size",
	}
	large := []string{"RLIMIT_AS", "RLIMIT_DATA", "RLIMIT_FSIZE", "RLIMIT_RSS", "RLIMIT_STACK", "RLIMIT_CPU", "RLIMIT_LOCKS", "RLIMIT_RTTIME"}
	want := map[string]string{}
	for kind := range lines {
		// Not more than the host has, as that needs CAP_SYS_RESOURCE.
		soft, hard := uint64(30), uint64(40)
		switch {
		case slices.Contains(large, kind):
			soft, hard = 1<<30, 1<<31
		case kind == "RLIMIT_NICE" || kind == "RLIMIT_RTPRIO" || kind == "RLIMIT_CORE":
			soft, hard = 0, 0
		}
		c.spec.Process.Rlimits = append(c.spec.Process.Rlimits, specs.POSIXRlimit{Type: kind, Soft: soft, Hard: hard})
		want[lines[kind]] = fmt.Sprintf("%d %d", soft, hard)
	}
	pid := c.stays()
	limits := func(pid int) map[string]string {
		content, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
		require.NoError(t, err)
		found := map[string]string{}
		for name := range want {
			_, rest, _ := strings.Cut(string(content), "\n"+name+" ")
			if fields := strings.Fields(rest); len(fields) > 2 {
				found[name] = fields[0] + " " + fields[1]
			}
		}
		return found
	}
	require.Equal(t, want, limits(pid))
	require.Equal(t, "30 40", c.exec("echo $(ulimit -Sn) $(ulimit -Hn)"))

	// Those that are not named are the caller's, not the runtime's of Go.
	other := c.beside()
	cmd := other.call()
	other.spec.Process.Args = []string{"sh", "-c", "echo $(ulimit -Sn) $(ulimit -Hn)"}
	other.write()
	script := `ulimit -Sn 99; ulimit -Hn 1111; exec "$@"`
	call := []string{cmd.Path, "--root", c.root, "run", "--bundle", other.dir, other.id}
	cmd.Path, cmd.Args = "/bin/sh", append([]string{"sh", "-c", script, "sh"}, call...)
	require.Equal(t, result{"99 1111\n", "", 0}, outcome(t, cmd))

	running := newTrial(t)
	running.detached(kept)
	exec := running.call("exec", running.id, "sh", "-c", "echo $(ulimit -Sn) $(ulimit -Hn)")
	exec.Path, exec.Args = "/bin/sh", append([]string{"sh", "-c", script, "sh", exec.Path}, exec.Args[1:]...)
	require.Equal(t, result{"99 1111\n", "", 0}, outcome(t, exec))
}

func TestTheEnvironmentAndArgumentsOfAProcess(t *testing.T) {
	c := newBundle(t)
	t.Setenv("SECRET", "of the caller")
	c.spec.Process.Env = []string{"PATH=/bin", "EMPTY=", "LINES=a\nb", "SPACE= x y ", "É=ü", "NOVALUE", c.mark}
	script := `busybox tr '\0' '|' </proc/self/environ; echo; for a; do echo "<$a>"; done`
	c.spec.Process.Args = []string{"sh", "-c", script, "sh", "", " a b", "c\n2", "é", `"$`}
	r := c.run()
	require.Equal(t, 0, r.status, r.stderr)
	env, args, _ := strings.Cut(r.stdout, "|\n")
	require.Equal(t, "<>\n< a b>\n<c\n2>\n<é>\n<\"$>\n", args)
	require.Equal(t, c.spec.Process.Env, strings.Split(strings.TrimSuffix(env, "|"), "|")[:len(c.spec.Process.Env)])
	require.NotContains(t, r.stdout, "SECRET")
}

func TestTheOtherFieldsOfAProcess(t *testing.T) {
	c := newBundle(t)
	own, err := os.ReadFile("/proc/self/oom_score_adj")
	require.NoError(t, err)
	show := "cat /proc/self/oom_score_adj; " + rights("NoNewPrivs:")
	require.Equal(t, string(own)+"NoNewPrivs: 1", c.says(show))
	score := 567
	c.spec.Process.OOMScoreAdj, c.spec.Process.NoNewPrivileges = &score, false
	require.Equal(t, "567\nNoNewPrivs: 0", c.says(show))
	c.stays()
	require.Equal(t, "567\nNoNewPrivs: 0", c.exec(show))
	require.Equal(t, "678\nNoNewPrivs: 1", c.execAs(func(p *specs.Process) {
		more := 678
		p.OOMScoreAdj, p.NoNewPrivileges = &more, true
	}, show))
}

func TestTheTerminalOfABundleHasItsSize(t *testing.T) {
	c := newBundle(t, "sh", "-c", "busybox stty size; tty; stat -c %F,%t:%T /dev/console; echo >/dev/tty")
	c.spec.Process.Terminal = true
	c.spec.Process.ConsoleSize = &specs.Box{Height: 41, Width: 132}
	r := c.run()
	require.Equal(t, 0, r.status, r.stderr)
	require.Equal(t, "41 132\n/dev/pts/0\ncharacter special file,88:0\n\n", strings.ReplaceAll(r.stdout, "\r\n", "\n"))
}

func TestArgumentsAreLookedUpInTheContainer(t *testing.T) {
	c := newBundle(t, "only-here")
	require.NoError(t, os.Mkdir(filepath.Join(c.spec.Root.Path, "place"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(c.spec.Root.Path, "place/only-here"), []byte("#!/bin/sh\necho $0\n"), 0o755))
	refused(t, c.create(), 1, `exec: "only-here": executable file not found in $PATH`)
	c.nothingLeft()
	c.spec.Process.Env = []string{"PATH=/bin:/place", c.mark}
	require.Equal(t, result{"/place/only-here\n", "", 0}, c.run())
	c.spec.Process.Args = []string{"/not/there"}
	refused(t, c.create(), 1, `exec: "/not/there": stat /not/there: no such file or directory`)
	c.spec.Process.Args = []string{"/etc"}
	refused(t, c.create(), 1, `exec: "/etc": `, "permission denied")
	c.nothingLeft()
}

// capabilities(7), CAP_SYS_RESOURCE
func TestLimitsThatNobodyInAUserNamespaceMaySet(t *testing.T) {
	have, err := strconv.ParseUint(inStatus(t, os.Getpid(), "CapEff"), 16, 64)
	require.NoError(t, err)
	if have>>unix.CAP_SYS_RESOURCE&1 == 0 {
		t.Skip("needs CAP_SYS_RESOURCE, which root has on most hosts")
	}
	c := newBundle(t)
	c.userNamespace()
	score := 100
	c.spec.Process.OOMScoreAdj = &score
	c.spec.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 1500, Hard: 2000}, {Type: "RLIMIT_CORE", Soft: 0, Hard: 10 << 20}}
	show := "cat /proc/self/oom_score_adj; ulimit -Sn; ulimit -Hn; ulimit -Hc"
	// Who has the capability sets the least that others may, too. The caller has less of all than the container is to have.
	poorer := func(call *exec.Cmd) *exec.Cmd {
		script := `echo 500 >/proc/self/oom_score_adj && ulimit -c 0 && ulimit -n 1000 && exec "$0" "$@"`
		shell := exec.Command("/bin/sh", append([]string{"-c", script, call.Path}, call.Args[1:]...)...)
		shell.Env = call.Env
		return shell
	}
	const want = "100\n1500\n2000\n20480\n"
	c.spec.Process.Args = []string{"sh", "-c", show}
	c.write()
	require.Equal(t, result{want, "", 0}, outcome(t, poorer(c.call("run", "--bundle", c.dir, c.id))))

	c.spec.Process.Args = []string{"sleep", "1000"}
	c.started()
	name := c.joiner(func(p *specs.Process) { p.Args = []string{"sh", "-c", show} })
	require.Equal(t, result{want, "", 0}, outcome(t, poorer(c.call("exec", "--process", name, c.id))))
}
