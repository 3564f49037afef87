//go:build linux

package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestInitReapsAndPassesSignalsOn(t *testing.T) {
	// The orphan is gone from the list of processes, and not a zombie in it.
	script := `sh -c 'sleep 0.02 & echo $! >/orphan'; n=0; while [ -e /proc/$(cat /orphan) ] && [ $n -lt 300 ]; do n=$((n+1)); sleep 0.01; done; [ $n -lt 300 ] && echo reaped; exit 7`
	require.Equal(t, result{"reaped\n", "", 7}, run(t, script, "--init"))
	require.Equal(t, 128+int(unix.SIGKILL), run(t, "kill -KILL $$", "--init").status)
	require.Equal(t, 128+int(unix.SIGTERM), run(t, "kill -TERM $$", "--init").status)

	c := newTrial(t)
	cmd := c.call(c.runArgs([]string{"--init"}, "/bin/sh", "-c", "trap 'echo got it; exit 5' USR1; echo ready; while :; do sleep 0.01; done")...)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	ready := make([]byte, len("ready\n"))
	_, err = io.ReadFull(stdout, ready)
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Signal(unix.SIGUSR1))
	rest, _ := io.ReadAll(stdout)
	_ = cmd.Wait()
	require.Equal(t, "got it\n", string(rest))
	require.Equal(t, 5, cmd.ProcessState.ExitCode())
	c.nothingLeft()
}

func TestInteractiveReadsStandardInput(t *testing.T) {
	cmd := command(t, "run", "--rootfs", needRootfs(t), "-i", "cat")
	cmd.Stdin = strings.NewReader("typed\n")
	require.Equal(t, result{"typed\n", "", 0}, outcome(t, cmd))
}

func TestMemorySwapIsMemoryAndSwapTogether(t *testing.T) {
	script := either("memory/memory.memsw.limit_in_bytes", "memory.swap.max")
	r := run(t, script, "--memory", "16m", "--memory-swap", "48m")
	if r.status != 0 {
		t.Skip("needs a kernel that counts swap: swapaccount=1")
	}
	// Version 2 has a limit for swap alone.
	require.Contains(t, []string{"50331648\n", "33554432\n"}, r.stdout)
	require.Contains(t, []string{"16777216\n", "0\n"}, run(t, script, "--memory", "16m").stdout)
	unlimited := strings.TrimSpace(run(t, script, "--memory", "16m", "--memory-swap", "-1").stdout)
	n, _ := strconv.ParseUint(unlimited, 10, 64)
	require.True(t, unlimited == "max" || n > 1<<60, unlimited)
}

func TestWhatIsWrittenIsGoneAndTheRootFileSystemIsAsBefore(t *testing.T) {
	dir := rootfsOf(t, map[string]string{"etc/data": "as before\n"})
	script := "echo new >/etc/data; echo more >/file; rm /bin/echo; cat /etc/data"
	flags := []string{"run", "--rootfs", dir, "/bin/sh", "-c"}
	before := snapshot(t, dir)
	require.Equal(t, result{"new\n", "", 0}, final(t, append(flags, script)...))
	require.Equal(t, before, snapshot(t, dir))
	require.Equal(t, result{"as before\n", "", 0}, final(t, append(flags, "cat /etc/data; [ -e /file ] && echo there; true")...))
}

// snapshot describes all files below a directory.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	out, err := exec.Command("find", dir, "-printf", "%P %y %m %U %G %s %T@ %C@ %l\n").CombinedOutput()
	require.NoError(t, err, string(out))
	lines := strings.Split(string(out), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func TestAContainerThatTakesTooMuchMemorySaysSo(t *testing.T) {
	r := final(t, "run", "--rootfs", needRootfs(t), "--memory", "8m", "tail", "/dev/zero")
	refused(t, r, 137, "memory", "limit of 8m", "--memory")
	// It is not said of a container that was killed for another reason.
	require.Equal(t, result{"", "", 137}, run(t, "kill -KILL $$", "--init"))
	r = run(t, "tail /dev/zero; echo $?", "--memory", "8m")
	require.Equal(t, "137\n", r.stdout)
	require.Equal(t, 0, r.status)
}

func TestTheRuntimeItselfDoesNotCountAgainstTheLimits(t *testing.T) {
	dir := rootfsOf(t, nil)
	for range 20 {
		require.Equal(t, result{}, final(t, "run", "--rootfs", dir, "--memory", "512k", "/bin/true"))
	}
	for range 5 {
		require.Equal(t, result{}, final(t, "run", "--rootfs", dir, "--pids", "1", "/bin/true"))
	}
	require.Equal(t, result{"one\n", "", 0}, run(t, "echo one", "--pids", "1"))
}

func TestArgumentsAndVariablesAreBytes(t *testing.T) {
	odd := "\xff\xfe \x80é\n"
	r := final(t, "run", "--rootfs", needRootfs(t), "-e", "ODD="+odd, "/bin/sh", "-c", `printf %s "$0$ODD"`, odd)
	require.Equal(t, result{odd + odd, "", 0}, r)
	c := newTrial(t)
	c.detached(kept)
	require.Equal(t, result{odd + odd, "", 0}, c.final("exec", "-e", "ODD="+odd, c.id, "/bin/sh", "-c", `printf %s "$0$ODD"`, odd))
}

// explainLine is a line of --explain: when, how long, side, step, call, man page.
var explainLine = regexp.MustCompile(`^ *([0-9.]+) +(?:[0-9]+|-)  (host|state|inside|container) +(-|0[1-7]) +(\S.*\S) +(\S+)\(([0-9][a-z]*)\)$`)

func TestExplainTellsWhatIsDoneInOrder(t *testing.T) {
	r := run(t, "echo output; exit 3", "--explain", "--init", "--user", "1", "--read-only", "--sysctl", "net.ipv4.ip_forward=1", "--oom-score-adj", "9")
	require.Equal(t, 3, r.status)
	require.Equal(t, "output\n", r.stdout)
	table, _, found := strings.Cut(r.stderr, "\n\n")
	require.True(t, found, r.stderr)
	lines := strings.Split(table, "\n")[1:]
	seen := map[string]bool{}
	var at []float64
	var pages [][]string
	for _, line := range lines {
		fields := explainLine.FindStringSubmatch(line)
		require.NotNil(t, fields, line)
		when, err := strconv.ParseFloat(fields[1], 64)
		require.NoError(t, err)
		at = append(at, when)
		seen[fields[2]], seen[fields[3]] = true, true
		pages = append(pages, fields[5:])
	}
	require.IsNonDecreasing(t, at)
	for _, word := range []string{"host", "state", "inside", "container", "01", "02", "03", "04", "05", "06", "07"} {
		require.True(t, seen[word], word)
	}
	for _, call := range []string{"clone(", "pivot_root(", "sethostname(", "move_mount(", "mkdir(", "setresuid(1)", "seccomp(", "execve("} {
		require.Contains(t, table, call)
	}
	if _, err := os.Stat("/usr/share/man/man2/pivot_root.2.gz"); err != nil {
		t.Log("not checked whether the man pages exist: apt-get install manpages manpages-dev")
		return
	}
	for _, page := range pages {
		found, err := filepath.Glob("/usr/share/man/man" + page[1][:1] + "/" + page[0] + "." + page[1] + "*")
		require.NoError(t, err)
		require.True(t, len(found) > 0 || slices.Contains(newPages, page[0]), "%s(%s)", page[0], page[1])
	}
}

// newPages are in man-pages, but not in the releases that all distributions have.
var newPages = []string{
	"PR_SET_DUMPABLE",
	"fsopen", "move_mount", "open_tree", "proc_pid_oom_score_adj", "proc_sys",
	"PR_CAPBSET_DROP", "PR_SET_NO_NEW_PRIVS", "PR_SET_PDEATHSIG", "TIOCSCTTY",
}

func TestWithoutExplainNothingIsSaid(t *testing.T) {
	require.Equal(t, result{"output\n", "", 0}, run(t, "echo output"))
}

func TestNamesAreInTheFilesOfTheContainer(t *testing.T) {
	r := run(t, "tail -n 2 /etc/hosts; cat /etc/resolv.conf", "--hostname", "box", "--add-host", "db:192.0.2.7", "--dns", "192.0.2.53", "--dns-search", "example.org")
	require.Equal(t, result{"127.0.1.1\tbox\n192.0.2.7\tdb\nnameserver 192.0.2.53\nsearch example.org\n", "", 0}, r)
}
