//go:build linux

package join

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/namespace"
	"container-workshop/internal/needs"
)

// TestMain makes the test binary a program that shows who and where it is, and stays until its standard input ends.
func TestMain(m *testing.M) {
	if len(os.Args) < 2 || os.Args[1] != "show" {
		os.Exit(m.Run())
	}
	clocks, _ := os.ReadFile("/proc/self/timens_offsets")
	fmt.Printf("PID %d, user %d, %s\n", os.Getpid(), os.Getuid(), strings.Join(strings.Fields(string(clocks)), " "))
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// A child is a process of Start.
type child struct {
	*testing.T
	pid int
	who string
}

// start starts the test binary in namespaces. The process ends with the test.
func start(t *testing.T, set *namespace.Set) *child {
	t.Helper()
	stdin, typing, err := os.Pipe()
	require.NoError(t, err)
	output, stdout, err := os.Pipe()
	require.NoError(t, err)
	program, err := os.Open("/proc/self/exe")
	require.NoError(t, err)
	defer program.Close()
	pid, err := Start(set, program, []string{"program", "show"}, attributes(stdin, stdout))
	stdin.Close()
	stdout.Close()
	require.NoError(t, err)
	t.Cleanup(func() {
		typing.Close()
		output.Close()
		ended, err := unix.Wait4(pid, nil, 0, nil)
		assert.NoError(t, err)
		assert.Equal(t, pid, ended, "the process is a child of this process")
	})
	who, err := bufio.NewReader(output).ReadString('\n')
	require.NoError(t, err)
	return &child{t, pid, who}
}

func attributes(stdin, stdout *os.File) *syscall.ProcAttr {
	return &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{stdin.Fd(), stdout.Fd(), 2}, Sys: &syscall.SysProcAttr{}}
}

// namespace names the namespace of a process.
func (c *child) namespace(kind string) string { return namespaceOf(c.T, c.pid, kind) }

func namespaceOf(t *testing.T, pid int, kind string) string {
	t.Helper()
	name, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
	require.NoError(t, err)
	return name
}

// of returns the namespaces of a process that are not ours.
func of(t *testing.T, pid int) *namespace.Set {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	require.NoError(t, err)
	file := os.NewFile(uintptr(fd), "pidfd")
	t.Cleanup(func() { file.Close() })
	set, err := namespace.Of(pid, file)
	require.NoError(t, err)
	return set
}

// fresh returns new namespaces of some kinds. A new user namespace has one user, who is user 1000 of the host.
func fresh(t *testing.T, kinds ...specs.LinuxNamespaceType) *namespace.Set {
	t.Helper()
	ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 1000, Size: 1}}
	linux := &specs.Linux{UIDMappings: ids, GIDMappings: ids}
	for _, kind := range kinds {
		linux.Namespaces = append(linux.Namespaces, specs.LinuxNamespace{Type: kind})
	}
	set, err := namespace.Open(linux)
	require.NoError(t, err)
	t.Cleanup(set.Close)
	return set
}

func TestStartMakesNamespacesAndJoinsThem(t *testing.T) {
	needs.Root(t)
	first := start(t, fresh(t, specs.PIDNamespace, specs.UTSNamespace, specs.MountNamespace))
	assert.Contains(t, first.who, "PID 1, user 0,")
	for _, kind := range []string{"pid", "uts", "mnt"} {
		assert.NotEqual(t, namespaceOf(t, os.Getpid(), kind), first.namespace(kind))
	}
	assert.Equal(t, namespaceOf(t, os.Getpid(), "ipc"), first.namespace("ipc"))

	set := of(t, first.pid)
	set.New = unix.CLONE_NEWIPC
	set.Offsets = map[string]specs.LinuxTimeOffset{"boottime": {Secs: 1000}}
	second := start(t, set)
	assert.Regexp(t, "PID [2-9], user 0, .*boottime 1000 0", second.who)
	for _, kind := range []string{"pid", "uts", "mnt"} {
		assert.Equal(t, first.namespace(kind), second.namespace(kind))
	}
	for _, kind := range []string{"ipc", "time"} {
		assert.NotEqual(t, first.namespace(kind), second.namespace(kind))
	}
}

func TestStartBecomesTheRootOfAUserNamespace(t *testing.T) {
	needs.Root(t)
	first := start(t, fresh(t, specs.UserNamespace, specs.UTSNamespace))
	assert.Contains(t, first.who, "user 0,")
	joins := start(t, of(t, first.pid))
	assert.Contains(t, joins.who, "user 0,")
	assert.Equal(t, first.namespace("user"), joins.namespace("user"))

	// A new user namespace, and an existing namespace beside it.
	other := start(t, fresh(t, specs.UTSNamespace))
	set := fresh(t, specs.UserNamespace)
	set.Joined = of(t, other.pid).Joined
	both := start(t, set)
	assert.Contains(t, both.who, "user 0,")
	assert.Equal(t, other.namespace("uts"), both.namespace("uts"))
	for _, c := range []*child{first, joins, both} {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.pid))
		require.NoError(t, err)
		assert.Contains(t, string(status), "\nUid:\t1000\t1000\t1000\t1000\n")
	}
}

func TestAFailureNamesTheStepAndLeavesNoProcess(t *testing.T) {
	needs.Root(t)
	other := start(t, fresh(t, specs.UTSNamespace))
	self, err := os.Open("/proc/self/exe")
	require.NoError(t, err)
	defer self.Close()
	text, err := os.Open("join_test.go")
	require.NoError(t, err)
	defer text.Close()
	unknown := of(t, other.pid)
	unknown.Offsets = map[string]specs.LinuxTimeOffset{"no clock": {}}
	for want, start := range map[string]struct {
		set     *namespace.Set
		program *os.File
	}{
		"join the namespaces":     {&namespace.Set{Joined: []namespace.Handle{{File: text}}}, self},
		"make a time namespace":   {unknown, self},
		"execve of this program":  {of(t, other.pid), text},
		unix.EACCES.Error():       {fresh(t, specs.UTSNamespace), text},
		"clone: invalid argument": {&namespace.Set{Joined: of(t, other.pid).Joined, New: unix.CLONE_NEWNS | unix.CLONE_FS}, self},
	} {
		_, err := Start(start.set, start.program, []string{"program"}, attributes(os.Stdin, os.Stdout))
		assert.ErrorContains(t, err, want)
		var children []byte
		threads, err := filepath.Glob("/proc/self/task/*/children")
		require.NoError(t, err)
		for _, name := range threads {
			ofThread, _ := os.ReadFile(name)
			children = append(children, ofThread...)
		}
		assert.Equal(t, fmt.Sprintf("%d ", other.pid), string(children), want)
	}
}
