//go:build linux

package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/internal/check"
	"container-workshop/internal/needs"
)

// asCheck is in the environment of a test binary that runs as the command check.
const asCheck = "RUN_AS_CHECK"

func TestMain(m *testing.M) {
	if check.Guarded() || os.Getenv(asCheck) != "" {
		main()
	}
	os.Exit(m.Run())
}

// An examination is a run of the command check. The program is a shell script.
type examination struct {
	*testing.T
	cmd            *exec.Cmd
	stdin          io.WriteCloser
	stdout, stderr bytes.Buffer
	// mark is in the environment of the processes of the program, unless a process clears it.
	mark string
}

// examines starts check with a script as the program.
func examines(t *testing.T, step int, script string, flags ...string) *examination {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: make test")
	}
	program := filepath.Join(t.TempDir(), "program")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	e := &examination{T: t, mark: "EXAMINED_BY=" + rand.Text()}
	args := append([]string{"--attended", "--step", fmt.Sprint(step), "--rootfs", "/"}, flags...)
	e.cmd = exec.Command("/proc/self/exe", append(args, program)...)
	e.cmd.Env = append(os.Environ(), asCheck+"=1", e.mark)
	e.cmd.Stdout, e.cmd.Stderr = &e.stdout, &e.stderr
	var err error
	e.stdin, err = e.cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, e.cmd.Start())
	t.Cleanup(func() { e.cmd.Process.Kill() })
	return e
}

// ends waits for the end of check, and asserts that it leaves no process behind.
func (e *examination) ends(status int) {
	e.Helper()
	e.cmd.Wait()
	assert.Equal(e, status, e.cmd.ProcessState.ExitCode(), e.stderr.String())
	assert.Empty(e, check.Marked(e.mark))
}

// first returns the first finding.
func (e *examination) first() (f check.Finding) {
	e.Helper()
	require.NoError(e, json.NewDecoder(&e.stdout).Decode(&f), e.stderr.String())
	return f
}

func TestAKillDoesNotReachTheHost(t *testing.T) {
	bystander := exec.Command("sleep", "1000")
	require.NoError(t, bystander.Start())
	defer bystander.Wait()
	defer bystander.Process.Kill()
	for _, kill := range []string{"kill -KILL $PPID", "kill -TERM $PPID", "kill -ABRT $PPID", "kill -KILL 1", fmt.Sprint("kill -KILL ", bystander.Process.Pid)} {
		t.Run(kill, func(t *testing.T) {
			e := examines(t, 1, kill+" 2>/dev/null; echo it goes on")
			e.ends(1)
			assert.Contains(t, e.first().Seen, "it goes on")
		})
	}
	// kill(2) spares process 1 and the caller.
	t.Run("all", func(t *testing.T) {
		e := examines(t, 1, "kill -KILL -1 2>/dev/null; echo it goes on")
		e.ends(1)
		assert.Contains(t, e.first().Seen, "it goes on")
	})
	assert.NoError(t, bystander.Process.Signal(unix.Signal(0)))
}

func TestNoProcessOutlivesTheExamination(t *testing.T) {
	t.Run("that is killed", func(t *testing.T) {
		e := examines(t, 1, "setsid sleep 1000")
		require.Eventually(t, func() bool { return len(sleeping(e.mark)) > 0 }, check.Patience, time.Millisecond)
		e.cmd.Process.Kill()
		e.cmd.Wait()
		assert.Eventually(t, func() bool { return len(check.Marked(e.mark)) == 0 }, check.Patience, time.Millisecond)
	})
	t.Run("as a daemon without the mark", daemonEnds)
}

func daemonEnds(t *testing.T) {
	pidfile := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, unix.Mkfifo(pidfile, 0o600))
	held, err := os.OpenFile(pidfile, os.O_RDWR, 0)
	require.NoError(t, err)
	defer held.Close()
	// The daemon has no mark, and keeps the pipe open for writing.
	e := examines(t, 1, "env -i setsid sh -c 'exec sleep 1000 9>>"+pidfile+"' >/dev/null 2>&1 &")
	e.ends(1)
	assert.Empty(t, holders(t, pidfile))
}

// holders returns the other processes that have a file open.
func holders(t *testing.T, path string) (pids []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/fd/*")
	require.NoError(t, err)
	for _, fd := range all {
		if to, err := os.Readlink(fd); err == nil && to == path && !strings.HasPrefix(fd, fmt.Sprintf("/proc/%d/", os.Getpid())) {
			pids = append(pids, fd)
		}
	}
	return pids
}

func TestAProgramThatStartsItselfWithoutEnd(t *testing.T) {
	e := examines(t, 1, `env -i "$0" "$@"`)
	e.ends(1)
	assert.Contains(t, e.first().Seen, "run has started itself again and again")
}

func TestAProgramThatHangs(t *testing.T) {
	began := time.Now()
	e := examines(t, 7, "exec sleep 1000")
	e.ends(1)
	assert.Contains(t, e.first().Seen, "run has not ended")
	assert.Less(t, time.Since(began), 10*time.Second)
}

func TestOutputWithoutEnd(t *testing.T) {
	for name, script := range map[string]string{
		"output":            "exec yes hello",
		"error output":      "exec yes hello >&2",
		"SIGPIPE":           "trap '' PIPE; while :; do yes hello; done",
		"in the background": "setsid yes hello & sleep 1000",
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			e := examines(t, 1, script)
			e.ends(1)
			assert.Contains(t, e.first().Seen, `run prints without end: "hello\nhello\n`)
			assert.Less(t, time.Since(began), 10*time.Second)
			usage := e.cmd.ProcessState.SysUsage().(*syscall.Rusage)
			assert.Less(t, usage.Maxrss, int64(100<<10), "KiB, of the larger process")
		})
	}
	t.Run("trace", func(t *testing.T) {
		e := examines(t, 1, "exec yes hello >&2", "--trace")
		e.ends(0)
		assert.Equal(t, "hello\nhello\n", e.stderr.String())
	})
}

func TestWithoutProtectionNothingRuns(t *testing.T) {
	// The first call makes the directory for all later ones.
	t.TempDir()
	t.Setenv("TMPDIR", "/nonexistent")
	for _, flags := range [][]string{nil, {"--stretch"}, {"--trace"}} {
		touched := filepath.Join("/tmp", rand.Text())
		e := examines(t, 1, "touch "+touched, flags...)
		e.ends(2)
		assert.Empty(t, e.stdout.String())
		assert.Regexp(t, `^check: cannot protect the host from your program: .*/nonexistent.* \(what to do about it: make doctor\)\n$`, e.stderr.String())
		assert.NoFileExists(t, touched)
	}
}

func TestFilesOfTheHostStay(t *testing.T) {
	needs.Root(t)
	name := rand.Text()
	for place, way := range map[string]string{"/dev/shm": "", "/tmp": "/proc/1/root", "/var": "/proc/1/cwd/../../../../../../../.."} {
		t.Run(place+" "+way, func(t *testing.T) {
			file := filepath.Join(place, name)
			require.NoError(t, os.WriteFile(file, []byte("text"), 0o644))
			defer os.Remove(file)
			// To a program it looks as if it can.
			e := examines(t, 1, "rm "+way+file+" && echo removed")
			e.ends(1)
			assert.Contains(t, e.first().Seen, "removed")
			assert.FileExists(t, file)
			assert.Contains(t, e.stdout.String(), file+" (removed)")
		})
	}
}

// inCgroup makes a cgroup with the program in it, and another one below.
const inCgroup = `for tree in memory pids .; do
	[ -e /sys/fs/cgroup/$tree/cgroup.procs ] || continue
	dir=/sys/fs/cgroup/$tree/%[1]s-$$
	mkdir -p $dir/below
	echo $$ >$dir/cgroup.procs
done
`

func TestCgroupsAreGoneAtTheEnd(t *testing.T) {
	needs.Root(t)
	name := rand.Text()
	t.Run("after the check", func(t *testing.T) {
		e := examines(t, 6, fmt.Sprintf(inCgroup, name))
		e.ends(1)
		assert.Empty(t, cgroups(t, name))
	})
	others := filepath.Join(cgroupRoot(), name+"-of-somebody-else")
	require.NoError(t, os.Mkdir(others, 0o755))
	defer os.Remove(others)
	for step, script := range map[int]string{1: "echo $$; exec sleep 1000", 6: fmt.Sprintf(inCgroup, name) + "exec sleep 1000"} {
		for how, cancel := range map[string]func(*examination){
			"end of input": func(e *examination) { e.stdin.Close() },
			"SIGINT":       func(e *examination) { e.cmd.Process.Signal(unix.SIGINT) },
			"SIGTERM":      func(e *examination) { e.cmd.Process.Signal(unix.SIGTERM) },
		} {
			t.Run(fmt.Sprintf("step %d, %s", step, how), func(t *testing.T) {
				e := examines(t, step, script)
				running := func() bool {
					return len(sleeping(e.mark)) > 0
				}
				require.Eventually(t, running, check.Patience, time.Millisecond)
				if step == 6 {
					assert.NotEmpty(t, cgroups(t, name+"-[0-9]"))
				}
				cancel(e)
				e.ends(3)
				assert.Equal(t, []string{others}, cgroups(t, name))
			})
		}
	}
}

// sleeping returns the processes with the mark that have become sleep.
func sleeping(mark string) (pids []int) {
	for _, pid := range check.Marked(mark) {
		if check.Stat(pid, 2) == "sleep" {
			pids = append(pids, pid)
		}
	}
	return pids
}

// cgroups returns the cgroups whose name begins with a pattern.
func cgroups(t *testing.T, pattern string) (dirs []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir("/sys/fs/cgroup", func(path string, entry fs.DirEntry, err error) error {
		if matches, _ := filepath.Match(pattern+"*", filepath.Base(path)); err == nil && matches {
			dirs = append(dirs, path)
		}
		return nil
	}))
	return dirs
}

// cgroupRoot returns a directory for a new cgroup: on cgroup v1 in one hierarchy, otherwise in the only one.
func cgroupRoot() string {
	if _, err := os.Stat("/sys/fs/cgroup/pids"); err == nil {
		return "/sys/fs/cgroup/pids"
	}
	return "/sys/fs/cgroup"
}
