//go:build linux

package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/engine"
)

func init() { attacks["traced"] = askToBeTraced }

// askToBeTraced makes the parent our tracer, and stops for it. ptrace(2)
func askToBeTraced([]string) error {
	runtime.LockOSThread()
	if _, _, errno := unix.RawSyscall(unix.SYS_PTRACE, unix.PTRACE_TRACEME, 0, 0); errno != 0 {
		return errno
	}
	return unix.Tgkill(unix.Getpid(), unix.Gettid(), unix.SIGUSR1)
}

func TestAContainerThatAsksToBeTracedHasNotEnded(t *testing.T) {
	control := onHost(t, "traced")
	require.NoError(t, control.Start())
	var status unix.WaitStatus
	_, err := unix.Wait4(control.Process.Pid, &status, 0, nil)
	require.NoError(t, err)
	assert.True(t, status.Stopped(), "wait(2) tells of more than the end")
	require.NoError(t, control.Process.Kill())
	_ = control.Wait()

	c := newTrial(t)
	self, err := os.Executable()
	require.NoError(t, err)
	r := c.final(c.runArgs([]string{"--detach", "--volume", self + ":/attack:ro", "--memory", "256m"}, "/attack", "attack", "traced")...)
	require.Equal(t, 0, r.status, r.stderr)
	until(t, "it has stopped", func() bool {
		tasks, _ := filepath.Glob("/proc/" + strconv.Itoa(c.first()) + "/task/*/stat")
		for _, task := range tasks {
			content, _ := os.ReadFile(task)
			if strings.Contains(string(content), ") t ") {
				return true
			}
		}
		return false
	})
	assert.Contains(t, c.final("state", c.id).stdout, `"status": "running"`)
	refused(t, c.final("delete", c.id), 1, "running")
	assert.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

func TestAContainerThatStopsWhatComesIntoItHoldsUpNobodyElse(t *testing.T) {
	c := newTrial(t)
	c.detached("trap : TERM; while :; do kill -s STOP -1 2>/dev/null; done")
	// Some of these come through, and some stay.
	for range 5 {
		joining := c.call("exec", c.id, "true")
		require.NoError(t, joining.Start())
		defer func() {
			_ = joining.Process.Kill()
			_ = joining.Wait()
		}()
	}
	for range 10 {
		for _, verb := range [][]string{{"list"}, {"state", c.id}, {"ps", c.id}, {"kill", c.id, "USR1"}} {
			assert.Equal(t, 0, inTime(t, c.call(verb...)).status, "%v", verb)
		}
		time.Sleep(10 * time.Millisecond)
	}
	assert.Equal(t, result{}, inTime(t, c.call("delete", "--force", c.id)))
}

func TestNobodyOnTheHostCanExecuteWhatAContainerPutsIntoItsEtc(t *testing.T) {
	c := newTrial(t)
	c.detached("cat /bin/true >/etc/hosts; chmod 4755 /etc/hosts; grep -E ' /etc/(hosts|hostname|resolv.conf) ' /proc/mounts; echo ready; exec sleep 1000")
	c.logged("ready")
	for line := range strings.Lines(strings.TrimSuffix(c.final("logs", c.id).stdout, "ready\n")) {
		assert.Contains(t, line, "nosuid,nodev,noexec", line)
	}
	assert.NotEqual(t, 0, c.final("exec", c.id, "/etc/hosts").status)
	var stat unix.Stat_t
	require.NoError(t, unix.Stat(filepath.Join(engine.FilesDir(c.id), "hosts"), &stat))
	assert.EqualValues(t, 0o4755, stat.Mode&0o7777, "the control: the file is there, and is setuid root")
	require.NoError(t, unix.Stat(filepath.Join(engine.Storage(), c.id), &stat))
	assert.EqualValues(t, 0o700, stat.Mode&0o7777, "no other user gets there")
}

func TestWhatAContainerPutsIntoItsEtcIsWhereAllIsThatItWrites(t *testing.T) {
	c := newTrial(t)
	const size = 2 << 20
	c.detached("for f in hostname hosts resolv.conf; do head -c 2097152 /dev/zero >/etc/$f; done; echo ready; exec sleep 1000", "--memory", "128m")
	c.logged("ready")
	// On a host the state is in /run, which is memory that does not count as the container's.
	left := int64(0)
	require.NoError(t, filepath.WalkDir(c.root, func(name string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		left += info.Size()
		return err
	}))
	assert.Less(t, left, int64(100_000))
	assert.Greater(t, c.logSize(), int64(3*size), "the control: it is in its storage")
	// Nothing of it is left either.
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

func TestAContainerCannotWriteToTheTerminalOfWhoListsIt(t *testing.T) {
	c := newTrial(t)
	c.detached("sleep 1000 #\x1b[2J\nforged")
	list := c.final("list").stdout
	assert.NotContains(t, list, "\x1b")
	assert.Equal(t, 2, strings.Count(list, "\n"), list)
}
