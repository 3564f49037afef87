//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Each attack is tried where it must fail, and where it must not: in a step, in a container with fewer defences, or on the host.
// A test whose attack cannot succeed anywhere would say nothing.

// attacks are what a hostile program in a container tries, by name. The test binary is that program. See attack.
var attacks = map[string]func(args []string) error{
	"chroot":    breakOut,
	"call":      makeCall,
	"write":     openToWrite,
	"mount":     mountAnywhere,
	"fsopen":    openFilesystem,
	"unmount":   unmountHere,
	"writable":  remountWritable,
	"cgroup":    makeCgroup,
	"namespace": enterNamespaces,
	"handle":    openByHandle,
	"secret":    holdSecret,
	"keyring":   findSecret,
	"ids":       printIDs,
	"type":      typeInto,
	"hold":      holdProgram,
	"spoil":     spoilProgram,
	"hunt":      huntProgram,
	"dig":       digDown,
	"sockets":   fillSockets,
	"uncover":   uncoverRoot,
	"look":      lookInto,
	"trace":     traceToDeath,
	"keep":      keepSocket,
	"starve":    starve,
}

// attack tries one, and prints what came of it: "done", or the name of the error.
func attack(args []string) int {
	try, known := attacks[args[0]]
	if !known {
		fmt.Println("unknown attack", args[0])
		return 2
	}
	fmt.Println(nameOf(try(args[1:])))
	return 0
}

func nameOf(err error) string {
	var errno unix.Errno
	switch {
	case err == nil:
		return "done"
	case errors.As(err, &errno):
		return unix.ErrnoName(errno)
	}
	return err.Error()
}

// makeCall makes the system call of a number, with numbers as its arguments.
func makeCall(args []string) error {
	var numbers [7]uintptr
	for i, arg := range args {
		n, err := strconv.ParseUint(arg, 0, 64)
		if err != nil {
			return err
		}
		numbers[i] = uintptr(n)
	}
	_, _, errno := unix.RawSyscall6(numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], numbers[6])
	if errno != 0 {
		return errno
	}
	return nil
}

// soon is how long a container may take that has nothing to wait for, on a machine that has much to do.
const soon = 30 * time.Second

// attackArgs are the arguments of run for an attack in a container.
func attackArgs(t *testing.T, flags []string, args ...string) []string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	run := append([]string{"run", "--rootfs", needRootfs(t), "--volume", self + ":/attack:ro", "--memory", "256m"}, flags...)
	return append(append(run, "/attack", "attack"), args...)
}

// attacked tries an attack in a container, and returns what it printed.
func attacked(t *testing.T, flags []string, args ...string) string {
	t.Helper()
	return printed(t, command(t, attackArgs(t, flags, args...)...))
}

// printed returns what a command prints that has to end well.
func printed(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	r := outcome(t, cmd)
	require.Equal(t, 0, r.status, "%v: %s%s", cmd.Args, r.stdout, r.stderr)
	return strings.TrimSpace(r.stdout)
}

// onHost returns a command that tries an attack without any container.
func onHost(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	return exec.Command(self, append([]string{"attack"}, args...)...)
}

// step returns a call of run of an early step, which is the control of what it does not defend against.
func step(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	needRootfs(t)
	// Where there is no compiler, it was compiled before.
	if compiled := os.Getenv("WORKSHOP_PROGRAMS"); compiled != "" {
		return exec.Command(filepath.Join(compiled, name), append([]string{"run"}, args...)...)
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skipf("no control without %s, and no %s without Go: %v", name, name, err)
	}
	program := filepath.Join(t.TempDir(), name)
	build := exec.Command("go", "build", "-o", program, "../"+name)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	output, err := build.CombinedOutput()
	require.NoError(t, err, "%s", output)
	return exec.Command(program, append([]string{"run"}, args...)...)
}

// image makes a root file system as rootfsOf does, with the attacks as /attack. The program has to be one that needs no
// libraries.
func image(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := rootfsOf(t, files)
	copySelf(t, filepath.Join(dir, "attack"), 0o755)
	return dir
}

// copySelf writes a copy of the test binary, so that it can be attacked.
func copySelf(t *testing.T, name string, mode os.FileMode) {
	t.Helper()
	content, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name, content, 0o755))
	require.NoError(t, os.Chmod(name, mode))
}

// until waits until something is so.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(soon); !so(); time.Sleep(5 * time.Millisecond) {
		require.True(t, time.Now().Before(deadline), "not after %v: %s", soon, what)
	}
}

// inTime runs a command that may not wait for anything.
func inTime(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	late := time.AfterFunc(soon, func() { _ = cmd.Process.Kill() })
	r := outcome(t, cmd)
	require.True(t, late.Stop(), "%v has not ended after %v", cmd.Args, soon)
	return r
}

// empty requires that there is nothing in a directory.
func empty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

// file makes a file on the host, which no container is to touch.
func file(t *testing.T, name, content string) string {
	t.Helper()
	place := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(place, []byte(content), 0o644))
	return place
}

// unchanged requires that a file of the host is as it was.
func unchanged(t *testing.T, name, content string) {
	t.Helper()
	now, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, content, string(now))
}
