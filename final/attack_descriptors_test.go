//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
