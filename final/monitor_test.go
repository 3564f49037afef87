//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/engine"
)

// waits waits until the monitor is a list, and returns its PID.
func (c *trial) waits() (monitor int) {
	c.Helper()
	monitor = parentOf(c.first())
	c.until(func() bool { return isList(monitor) }, func() string { return "the monitor is no list" })
	return monitor
}

// isList reports whether a process makes the calls of a list for a monitor. proc_pid_exe(5)
func isList(pid int) bool {
	program, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return strings.Contains(program, "memfd:final:monitor")
}

// goOn makes the file that a script in the container waits for: while [ ! -e /NAME ]; do sleep 0.01; done
func (c *trial) goOn(name string) {
	c.Helper()
	// The container may end before touch does. Then the kernel kills touch.
	require.Contains(c, []result{{}, {"", "", 137}}, c.final("exec", c.id, "touch", "/"+name))
}

// waitFor is a piece of a script that waits for goOn.
func waitFor(name string) string { return "while [ ! -e /" + name + " ]; do sleep 0.01; done; " }

// exit waits until the exit status of the container is noted, and returns it.
func (c *trial) exit() int {
	c.Helper()
	var state struct{ Exit *int }
	c.until(func() bool {
		require.NoError(c, json.Unmarshal([]byte(c.final("state", c.id).stdout), &state))
		return state.Exit != nil
	}, func() string { return "no exit status is noted" })
	return *state.Exit
}

// memory is a line of smaps_rollup, in KiB. proc_pid_smaps(5)
func memory(t *testing.T, pid int, line string) int {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	require.NoError(t, err)
	found := regexp.MustCompile(`(?m)^` + line + `:\s+(\d+) kB$`).FindSubmatch(content)
	require.NotNil(t, found, "%s", content)
	size, _ := strconv.Atoi(string(found[1]))
	return size
}

func TestWhatWaitsHoldsLittleMemory(t *testing.T) {
	t.Run("the monitor of a container that prints nothing", func(t *testing.T) {
		c := newTrial(t)
		c.detached(kept)
		c.logged("ready")
		monitor := c.waits()
		assert.Less(t, memory(t, monitor, "Rss"), 512)
		assert.Less(t, memory(t, monitor, "Pss"), 512)
	})
	t.Run("a container that is created", func(t *testing.T) {
		c := newBundle(t, "true")
		c.write()
		// The container keeps the streams of the caller open.
		require.NoError(t, c.call("create", "--bundle", c.dir, c.id).Run())
		assert.Less(t, memory(t, c.first(), "Rss"), 1024)
		assert.Less(t, memory(t, c.first(), "Pss"), 1024)
	})
}

// The pauses of the script are about as long as the monitor waits for output. So output comes while the monitor is a list, while final
// works, and just when one becomes the other.
func TestNoOutputIsLostWhenTheMonitorBecomesAListOrFinal(t *testing.T) {
	const script = `for i in $(seq 1 60); do echo out $i; echo err $i >&2; sleep 0.0$((i % 5)); printf 'half of %d, ' $i; sleep 0.0$((i % 4)); echo and more; done; seq 1 3000; `
	// A terminal shows both streams, in the order in which they come.
	var stdout, stderr, both strings.Builder
	for i := range 60 {
		fmt.Fprintf(&stdout, "out %d\nhalf of %[1]d, and more\n", i+1)
		fmt.Fprintf(&stderr, "err %d\n", i+1)
		fmt.Fprintf(&both, "out %d\r\nerr %[1]d\r\nhalf of %[1]d, and more\r\n", i+1)
	}
	for i := range 3000 {
		fmt.Fprintf(&stdout, "%d\n", i+1)
		fmt.Fprintf(&both, "%d\r\n", i+1)
	}
	for name, flags := range map[string][]string{"with pipes": nil, "with a terminal": {"--tty"}, "with small files": {"--log-opt", "max-size=20k", "--log-opt", "max-file=100"}} {
		t.Run(name, func(t *testing.T) {
			want := result{"first\n" + stdout.String() + "last", stderr.String(), 0}
			if name == "with a terminal" {
				want = result{"first\r\n" + both.String() + "last", "", 0}
			}
			c := newTrial(t)
			c.detached("echo first; "+waitFor("go")+script+waitFor("end")+"printf last; exit 7", flags...)
			follow := c.call("logs", "--follow", c.id)
			var out, err bytes.Buffer
			follow.Stdout, follow.Stderr = &out, &err
			require.NoError(t, follow.Start())
			monitor := c.waits()
			c.goOn("go")
			c.logged("\n3000")
			require.Equal(t, monitor, c.waits(), "the process stays")
			c.goOn("end")
			require.NoError(t, follow.Wait())
			require.Equal(t, want, result{out.String(), err.String(), 0})
			require.Equal(t, want, c.final("logs", c.id))
			require.Equal(t, 7, c.exit())
			require.Equal(t, result{}, c.final("delete", c.id))
			c.nothingLeft()
		})
	}
}

func TestAPieceOfALineIsCompletedByALaterMonitor(t *testing.T) {
	c := newTrial(t)
	c.detached("printf 'a question? '; " + waitFor("go") + "echo answer; " + kept)
	c.logged("a question? ")
	c.waits()
	c.goOn("go")
	c.logged("a question? answer\nready\n")
	content, err := os.ReadFile(filepath.Join(engine.Storage(), c.id, "log", "log"))
	require.NoError(t, err)
	const when = `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z`
	require.Regexp(t, "^"+when+" stdout P a question\\? \n"+when+" stdout F answer\n"+when+" stdout F ready\n$", string(content))
}

func TestEachEndOfAContainerWhoseMonitorIsAListLeavesNothing(t *testing.T) {
	for name, how := range map[string]struct {
		flags  []string
		end    func(c *trial)
		status int
	}{
		"its command ends":          {nil, func(c *trial) { c.goOn("go") }, 7},
		"kill":                      {nil, func(c *trial) { require.Equal(c, result{}, c.final("kill", c.id, "KILL")) }, 137},
		"too much memory":           {[]string{"--memory", "16m"}, func(c *trial) { c.goOn("more") }, 137},
		"its command ends, --rm":    {[]string{"--rm"}, func(c *trial) { c.goOn("go") }, -1},
		"kill, --rm":                {[]string{"--rm"}, func(c *trial) { require.Equal(c, result{}, c.final("kill", c.id, "KILL")) }, -1},
		"delete --force":            {nil, func(c *trial) { require.Equal(c, result{}, c.final("delete", "--force", c.id)) }, -1},
		"its command ends, --tty":   {[]string{"--tty", "--rm"}, func(c *trial) { c.goOn("go") }, -1},
		"its command ends, -i --rm": {[]string{"-i", "--rm"}, func(c *trial) { c.goOn("go") }, -1},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTrial(t)
			c.detached("echo ready; while [ ! -e /go ]; do sleep 0.01; [ -e /more ] && exec tail /dev/zero; done; exit 7", how.flags...)
			c.logged("ready")
			c.waits()
			how.end(c)
			if how.status != -1 {
				require.Equal(t, how.status, c.exit())
				r := c.final("logs", "--follow", c.id)
				require.Equal(t, "ready\n", r.stdout)
				if name == "too much memory" {
					require.Contains(t, r.stderr, "killed: the container used more memory than its limit of 16m")
				} else {
					require.Empty(t, r.stderr)
				}
				require.Equal(t, result{}, c.final("delete", c.id))
			}
			c.nothingLeft()
		})
	}
}

// The monitor gets signals as a list, as final, and while one becomes the other.
func TestNoSignalButAFewEndsAMonitor(t *testing.T) {
	c := newTrial(t)
	c.detached(`grep -E '^Sig(Blk|Ign)' /proc/self/status; for i in $(seq 1 50); do sleep 0.03; echo $i; done; ` + waitFor("end") + "exit 7")
	monitor := parentOf(c.first())
	send := func(signals ...unix.Signal) {
		for _, sig := range signals {
			require.NoError(t, unix.Kill(monitor, sig))
		}
	}
	c.until(func() bool {
		send(unix.SIGHUP, unix.SIGINT, unix.SIGUSR1)
		return strings.Contains(c.final("logs", c.id).stdout, "\n50\n")
	}, func() string { return "the end is not in the log" })
	require.Equal(t, monitor, c.waits())
	send(unix.SIGHUP, unix.SIGINT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGTERM, unix.SIGXFSZ, unix.SIGALRM)
	c.goOn("end")
	require.Equal(t, 7, c.exit())
	// The command has inherited nothing of this, but what this test has inherited itself.
	ours, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	_, ignored, _ := strings.Cut(string(ours), "\nSigIgn:\t")
	ignored, _, _ = strings.Cut(ignored, "\n")
	require.Contains(t, c.final("logs", c.id).stdout, "SigBlk:\t0000000000000000\nSigIgn:\t"+ignored+"\n")
}

func TestAContainerSurvivesItsMonitorInBothForms(t *testing.T) {
	for _, form := range []string{"a list", "final"} {
		t.Run(form, func(t *testing.T) {
			c := newTrial(t)
			c.detached("echo before; while [ ! -e /go ]; do [ -e /noisy ] && echo more >&2; sleep 0.01; done; : >/gone; exec sleep 1000")
			c.logged("before")
			first, monitor := c.first(), c.waits()
			if form == "final" {
				c.goOn("noisy")
				c.until(func() bool { return !isList(monitor) }, func() string { return "the monitor is still a list" })
			}
			require.NoError(t, unix.Kill(monitor, unix.SIGKILL))
			c.until(func() bool { return parentOf(first) != monitor }, func() string { return "the monitor is still there" })
			c.goOn("go")
			c.until(func() bool { return c.final("exec", c.id, "test", "-e", "/gone").status == 0 }, func() string { return "it does not go on" })
			require.Equal(t, "before\n", c.final("logs", "--follow", c.id).stdout)
			require.Equal(t, result{}, c.final("kill", c.id, "KILL"))
			c.stopped()
			require.Equal(t, result{}, c.final("delete", c.id))
			c.nothingLeft()
		})
	}
}

// notes is which note a monitor has: there is a new one each time the monitor becomes a list.
func notes(t *testing.T, monitor int) uint64 {
	var stat unix.Stat_t
	require.NoError(t, unix.Stat(fmt.Sprintf("/proc/%d/fd/0", monitor), &stat))
	return stat.Ino
}

// Nothing more can come from a pipe without writers, and poll(2) would never wait for one.
func TestAMonitorStaysAListWhateverTheCommandCloses(t *testing.T) {
	for name, flags := range map[string][]string{"pipes": nil, "terminal": {"--tty"}, "input": {"-i"}} {
		t.Run(name, func(t *testing.T) {
			c := newTrial(t)
			c.detached("echo ready; exec <&- >&- 2>&-; exec sleep 1000", flags...)
			c.logged("ready")
			c.until(func() bool { return strings.HasPrefix(cmdline(c.first()), "sleep") }, func() string { return "nothing is closed" })
			monitor := c.waits()
			// The first list may have been there before the end of the pipes.
			now := uint64(0)
			c.until(func() bool {
				before := now
				now = notes(t, monitor)
				// This takes longer than a monitor waits for output.
				for range 5 {
					require.Equal(t, result{}, c.final("exec", c.id, "true"))
				}
				return before == now
			}, func() string { return "the monitor becomes a list again and again" })
			require.True(t, isList(monitor))
		})
	}
}

func TestTheInputOfADetachedContainerStaysOpen(t *testing.T) {
	c := newTrial(t)
	c.detached("echo ready; read line; echo over", "-i")
	c.logged("ready")
	monitor := c.waits()
	for range 3 {
		before := notes(t, monitor)
		// Each line wakes the monitor.
		require.Equal(t, result{}, c.final("exec", c.id, "/bin/sh", "-c", "echo more >/proc/1/fd/1"))
		c.until(func() bool { return notes(t, monitor) != before }, func() string { return "the monitor does not wake" })
		c.waits()
	}
	require.Equal(t, result{"ready\nmore\nmore\nmore\n", "", 0}, c.final("logs", c.id))
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

// While the monitor is a list, the kernel lets you write to the program. A program that is being written cannot be executed.
func TestAMonitorWaitsForAProgramThatIsBeingReplaced(t *testing.T) {
	c := newTrial(t)
	self, err := os.Executable()
	require.NoError(t, err)
	program := filepath.Join(t.TempDir(), "final")
	require.NoError(t, exec.Command("cp", self, program).Run())
	run := c.call(c.runArgs([]string{"--detach"}, "/bin/sh", "-c", "echo ready; "+waitFor("go")+"echo done; exit 7")...)
	run.Path = program
	require.Equal(t, result{c.id + "\n", "", 0}, outcome(t, run))
	c.logged("ready")
	monitor := c.waits()
	busy, err := os.OpenFile(program, os.O_WRONLY, 0)
	require.NoError(t, err)
	defer busy.Close()
	c.goOn("go")
	c.until(func() bool { return unix.Kill(monitor, 0) != nil || waitsFor(monitor, unix.SYS_CLOCK_NANOSLEEP) }, func() string { return "the monitor has not tried" })
	require.NoError(t, busy.Close())
	require.Equal(t, result{"ready\ndone\n", "", 0}, c.final("logs", "--follow", c.id))
	require.Equal(t, 7, c.exit())
}

// waitsFor reports whether a process is in a system call. proc_pid_syscall(5)
func waitsFor(pid, call int) bool {
	content, _ := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", pid))
	return strings.HasPrefix(string(content), fmt.Sprint(call)+" ")
}
