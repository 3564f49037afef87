//go:build linux

package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// leaking makes a command inherit a directory of the host, as the descriptors 3 to 9. It has a program in it, echo, and a file.
func leaking(t *testing.T, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	dir := filepath.Dir(file(t, "marker", "of the host"))
	program, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("needs busybox: apt-get install busybox-static")
	}
	content, err := os.ReadFile(program)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "echo"), content, 0o755))
	leak, err := os.Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { leak.Close() })
	for range 7 {
		cmd.ExtraFiles = append(cmd.ExtraFiles, leak)
	}
	return cmd
}

// look lists the open files of the command. The one with the number 3 is the list itself.
var look = []string{"/bin/ls", "-1", "/proc/self/fd"}

const lookedGood = "0\n1\n2\n3\n"

// CVE-2016-9962, CVE-2024-21626
func TestNoDescriptorComesIntoTheContainer(t *testing.T) {
	dir := rootfsOf(t, nil)
	for _, flags := range [][]string{nil, {"--privileged"}, {"--read-only"}, {"--security-opt", "no-new-privileges=false"}} {
		r := outcome(t, leaking(t, command(t, append(append([]string{"run", "--rootfs", dir}, flags...), look...)...)))
		assert.Equal(t, lookedGood, r.stdout, r.stderr)
	}
	r := outcome(t, leaking(t, command(t, append([]string{"run", "--rootfs", dir, "--init"}, look...)...)))
	assert.Equal(t, lookedGood, r.stdout, r.stderr)
	r = outcome(t, leaking(t, command(t, append([]string{"run", "--rootfs", dir, "--tty"}, look...)...)))
	assert.Equal(t, lookedGood, strings.ReplaceAll(r.stdout, "\r\n", "\n"), r.stderr)

	args := []string{"run", "--detach", "--rootfs", dir, "/bin/sh", "-c", "ls -1 /proc/self/fd; exec sleep 1000"}
	id := printed(t, leaking(t, command(t, args...)))
	t.Cleanup(func() { final(t, "delete", "--force", id) })
	until(t, "the list is in the log", func() bool { return len(final(t, "logs", id).stdout) >= len(lookedGood) })
	assert.Equal(t, lookedGood, final(t, "logs", id).stdout)
	r = outcome(t, leaking(t, command(t, append([]string{"exec", id}, look...)...)))
	assert.Equal(t, lookedGood, r.stdout, r.stderr)
	t.Run("control", func(t *testing.T) {
		r := outcome(t, leaking(t, step(t, "step07-tmpfs", append([]string{"--rootfs", dir}, look...)...)))
		assert.Contains(t, r.stdout, "3\n4\n5\n6\n7\n8\n9\n", r.stderr)
	})
}

// CVE-2024-21626
func TestADescriptorIsNoWayToADirectoryOfTheHost(t *testing.T) {
	dir := rootfsOf(t, map[string]string{"link": "-> /proc/self/fd/9", "proc1": "-> /proc/1/fd"})
	id := detached(t, "exec sleep 1000", "--rootfs", dir)
	places := []string{"/link", "/link/.", "/proc1/9", "/proc/self/cwd/../link", "/proc/thread-self/fd/9"}
	for n := range 16 {
		places = append(places, fmt.Sprintf("/proc/self/fd/%d", n))
	}
	show := []string{"/bin/cat", "marker"}
	for _, place := range places {
		r := outcome(t, leaking(t, command(t, append([]string{"run", "--rootfs", dir, "--workdir", place}, show...)...)))
		assert.NotEqual(t, 0, r.status, place)
		assert.Empty(t, r.stdout, place)
		r = outcome(t, leaking(t, command(t, append([]string{"exec", "--workdir", place, id}, show...)...)))
		assert.NotEqual(t, 0, r.status, place)
		assert.Empty(t, r.stdout, place)
	}
	// What is in the container is no other's.
	assert.Equal(t, "/tmp\n", final(t, "run", "--rootfs", dir, "--workdir", "/proc/self/root/tmp", "/bin/busybox", "pwd").stdout)
	t.Run("control", func(t *testing.T) {
		cmd := step(t, "step07-tmpfs", "--rootfs", dir, "/bin/sh", "-c", "cd /link && cat marker")
		assert.Equal(t, "of the host", printed(t, leaking(t, cmd)))
	})
}

// CVE-2024-21626
func TestADescriptorIsNoWayToAProgramOfTheHost(t *testing.T) {
	dir := rootfsOf(t, map[string]string{"link": "-> /proc/self/fd/9"})
	id := detached(t, "exec sleep 1000", "--rootfs", dir)
	places := []string{"/link"}
	for n := range 16 {
		places = append(places, fmt.Sprintf("/proc/self/fd/%d", n))
	}
	for _, place := range places {
		for _, args := range [][]string{{"run", "--rootfs", dir, place + "/echo"}, {"exec", id, place + "/echo"}, {"run", "--rootfs", dir, "--env", "PATH=" + place, "echo"}} {
			r := outcome(t, leaking(t, command(t, append(args, "of the host")...)))
			assert.Contains(t, []int{126, 127}, r.status, "%v: %s", args, r.stderr)
			assert.Empty(t, r.stdout, "%v", args)
		}
	}
	t.Run("control", func(t *testing.T) {
		cmd := step(t, "step07-tmpfs", "--rootfs", dir, "/link/echo", "of the host")
		assert.Equal(t, "of the host", printed(t, leaking(t, cmd)))
	})
}

// starve leaves a process, by the first argument, which is its only one, room for so many descriptors. It waits until the process has
// raised its limit to the highest.
func starve(args []string) error {
	room, err := strconv.ParseUint(args[1], 10, 64)
	for err == nil {
		var limit unix.Rlimit
		pid, _ := processNamed(args[0])
		if pid != 0 && unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &limit) == nil && limit.Cur == limit.Max {
			limit.Cur = room
			return unix.Prlimit(pid, unix.RLIMIT_NOFILE, &limit, nil)
		}
		time.Sleep(time.Millisecond)
	}
	return err
}

// A container whose root is the host's, or its own in a user namespace, can change the limits of a process that joins it. The kernel then
// leaves out descriptors of a message, such as those by which the process joins its cgroups.
func TestAProcessThatJoinsAContainerGetsAllDescriptorsOrNone(t *testing.T) {
	c := newBundle(t)
	copySelf(t, filepath.Join(c.spec.Root.Path, "attack"), 0o755)
	pid := c.stays()
	dirs := cgroupDirs(t, pid)
	delete(dirs, "")
	trees := len(slices.Compact(slices.Sorted(maps.Values(dirs))))
	// The streams, the socket and six namespaces are there; the root directory and the terminal come first.
	const have, first = 10, 2
	for room, enough := range map[int]bool{have + 1: false, have + first + trees - 1: false, have + first + trees: true} {
		goOn := filepath.Join(t.TempDir(), "go-on")
		call := c.call("exec", "--tty", c.id, "true")
		call.Env = append(call.Env, fmt.Sprintf("%s=host sendmsg(go_on) %s", interruptEnv, goOn))
		var stderr strings.Builder
		limited := exec.Command("sh", append([]string{"-c", `ulimit -Sn 256; exec "$@"`, "sh"}, call.Args...)...)
		limited.Env, limited.Stderr = call.Env, &stderr
		require.NoError(t, limited.Start())
		c.atStage()
		require.Equal(t, result{"done\n", "", 0}, c.final("exec", c.id, "/attack", "attack", "starve", "container", strconv.Itoa(room)))
		require.NoError(t, os.WriteFile(goOn, nil, 0o600))
		_ = limited.Wait()
		if enough {
			assert.Equal(t, 0, limited.ProcessState.ExitCode(), stderr.String())
			continue
		}
		assert.Equal(t, failure("exec"), limited.ProcessState.ExitCode(), room)
		assert.Contains(t, stderr.String(), "too many open files", room)
	}
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}
