//go:build linux && engines

package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// patience is how long a test waits for anything.
const patience = time.Minute

// A result is the outcome of a command.
type result struct {
	stdout, stderr string
	status         int
}

// outcome runs a command to its end. A command that does not end fails the test.
func outcome(t testing.TB, cmd *exec.Cmd) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	limited := exec.CommandContext(ctx, cmd.Path, cmd.Args[1:]...)
	limited.Args[0] = cmd.Args[0]
	limited.Env, limited.Dir, limited.Stdin, limited.SysProcAttr = cmd.Env, cmd.Dir, cmd.Stdin, cmd.SysProcAttr
	limited.ExtraFiles, limited.Stdout, limited.Stderr = cmd.ExtraFiles, &stdout, &stderr
	// A process that stays in the background keeps the pipes open.
	limited.WaitDelay = time.Second
	err := limited.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		require.FailNow(t, "no end after "+patience.String(), "%q printed %q %q", cmd.Args, stdout.String(), stderr.String())
	case err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay):
		require.NoError(t, err)
	}
	return result{stdout.String(), stderr.String(), limited.ProcessState.ExitCode()}
}

// try runs a program of the host.
func try(t testing.TB, name string, args ...string) result {
	t.Helper()
	return outcome(t, exec.Command(name, args...))
}

// ok runs a program of the host, which must succeed, and returns its output without the last newline.
func ok(t testing.TB, name string, args ...string) string {
	t.Helper()
	r := try(t, name, args...)
	require.Equal(t, 0, r.status, "%q: %s%s", append([]string{name}, args...), r.stdout, r.stderr)
	return strings.TrimSuffix(r.stdout, "\n")
}

// need skips the test if a program is missing. If CI is set, a skip that is not in .ci/known-skips is a failure.
func need(t testing.TB, program, install string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("needs %s: apt-get install %s", program, install)
	}
	return path
}

// until waits until a condition holds. If it never does, the failure shows what seen returns.
func until(t testing.TB, what string, condition func() bool, seen func() string) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			require.FailNow(t, "waited in vain until "+what, "%s", seen())
		}
	}
}

// folder makes an empty folder for one test, with a path short enough for sockets. unix(7)
func folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(state, "")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755))
	return dir
}

// file writes a file and returns its path.
func file(t testing.TB, path, content string) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o755))
	return path
}

// read returns the content of a file, without the last newline.
func read(t testing.TB, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return strings.TrimSuffix(string(content), "\n")
}

// A daemon is a program in the background. It ends with the test.
type daemon struct {
	cmd     *exec.Cmd
	logFile string
	ended   chan struct{}
}

// background starts a daemon that writes its output to a file, and waits until the daemon is ready.
func background(t testing.TB, cmd *exec.Cmd, ready func() bool) *daemon {
	t.Helper()
	log, err := os.CreateTemp(state, filepath.Base(cmd.Path)+"-*.log")
	require.NoError(t, err)
	defer log.Close()
	d := &daemon{cmd, log.Name(), make(chan struct{})}
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(t, cmd.Start())
	go func() {
		_ = cmd.Wait()
		close(d.ended)
	}()
	t.Cleanup(func() { d.stop(t) })
	until(t, cmd.Path+" is ready", func() bool {
		select {
		case <-d.ended:
			require.FailNow(t, cmd.Path+" has ended", "%s", d.log())
		default:
		}
		return ready()
	}, d.log)
	return d
}

// log returns the output of the daemon.
func (d *daemon) log() string {
	content, _ := os.ReadFile(d.logFile)
	return string(content)
}

// stop ends the daemon. A second call does nothing.
func (d *daemon) stop(t testing.TB) {
	t.Helper()
	_ = d.cmd.Process.Signal(unix.SIGTERM)
	select {
	case <-d.ended:
	case <-time.After(patience):
		_ = d.cmd.Process.Kill()
		<-d.ended
		t.Errorf("%s did not end by SIGTERM: %s", d.cmd.Path, d.log())
	}
}

// difference returns the entries that only one of two lists has.
func difference(before, after []string) string {
	var text strings.Builder
	for _, line := range before {
		if !slices.Contains(after, line) {
			text.WriteString("\ngone: " + line)
		}
	}
	for _, line := range after {
		if !slices.Contains(before, line) {
			text.WriteString("\nleft: " + line)
		}
	}
	return text.String()
}

// statusField returns a field of /proc/PID/status of a process of the session. proc_pid_status(5)
func statusField(t testing.TB, pid int, name string) string {
	t.Helper()
	for line := range strings.Lines(read(t, fmt.Sprintf("/proc/%d/status", pid))) {
		if value, found := strings.CutPrefix(line, name+":"); found {
			return strings.TrimSpace(value)
		}
	}
	require.FailNow(t, "no "+name+" in the status of a process")
	return ""
}

// greedy is a script that waits for release, and then takes more memory than its limit. containerd 1 watches the memory of a container
// only after the start, so it would miss an earlier OOM kill. With cgroups of version 2 it needs longer for that, and misses more.
const greedy = "until [ -e /go ]; do sleep 0.01; done; x=a; while :; do x=$x$x; done"

// release lets the script greedy go on. pid is the script's, or that of its container.
func release(t testing.TB, pid int) {
	t.Helper()
	file(t, fmt.Sprintf("/proc/%d/root/go", pid), "")
}

// number parses a number that a program has printed.
func number(t testing.TB, text string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(text))
	require.NoError(t, err)
	return n
}

// cgroupFile returns the path of a file of a process's cgroup: in version 1 of the controller's, otherwise in version 2.
func cgroupFile(t testing.TB, pid int, controller, name, nameOf2 string) string {
	t.Helper()
	for line := range strings.Lines(read(t, fmt.Sprintf("/proc/%d/cgroup", pid))) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		for c := range strings.SplitSeq(parts[1], ",") {
			if c == controller {
				return filepath.Join(cgroupTop, controller, parts[2], name)
			}
		}
		if _, err := os.Stat(filepath.Join(cgroupTop, "cgroup.controllers")); parts[0] == "0" && err == nil {
			return filepath.Join(cgroupTop, parts[2], nameOf2)
		}
	}
	require.FailNow(t, "the process is in no cgroup of "+controller)
	return ""
}

// version1 reports whether a controller is in version 1.
func version1(controller string) bool {
	_, err := os.Stat(filepath.Join(cgroupTop, controller))
	return err == nil
}

// remains lists the cgroups, mounts and processes of the session, for comparing them before and after. It leaves out lines with the
// words of ignored, which an engine keeps on purpose.
func remains(t testing.TB, ignored ...string) []string {
	t.Helper()
	var all []string
	add := func(line string) {
		for _, word := range ignored {
			if strings.Contains(line, word) {
				return
			}
		}
		all = append(all, line)
	}
	for _, dir := range below(cgroupTop) {
		add("cgroup " + dir)
	}
	for line := range strings.Lines(read(t, "/proc/self/mountinfo")) {
		add("mount " + strings.Fields(line)[4])
	}
	entries, err := os.ReadDir("/proc")
	require.NoError(t, err)
	for _, entry := range entries {
		command, err := os.ReadFile("/proc/" + entry.Name() + "/cmdline")
		if pid, numeric := strconv.Atoi(entry.Name()); numeric == nil && err == nil && pid != os.Getpid() && len(command) > 0 {
			add(fmt.Sprintf("process %d %s", pid, bytes.ReplaceAll(bytes.TrimSuffix(command, []byte{0}), []byte{0}, []byte{' '})))
		}
	}
	return all
}
