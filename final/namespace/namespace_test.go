//go:build linux

package namespace

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// elsewhere starts a process in new namespaces, which waits until the test ends.
func elsewhere(t *testing.T, flags uintptr) int {
	t.Helper()
	cmd := exec.Command("cat")
	_, err := cmd.StdinPipe()
	require.NoError(t, err)
	cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: flags}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}

func path(pid int, file string) string { return fmt.Sprintf("/proc/%d/ns/%s", pid, file) }

func open(namespaces ...specs.LinuxNamespace) (*Set, error) {
	return Open(&specs.Linux{Namespaces: namespaces, UIDMappings: []specs.LinuxIDMapping{{Size: 1}}})
}

func TestNewNamespacesAreFlagsOfClone(t *testing.T) {
	var all []specs.LinuxNamespace
	for _, k := range Kinds {
		all = append(all, specs.LinuxNamespace{Type: k.Type})
	}
	s, err := open(all...)
	require.NoError(t, err)
	defer s.Close()
	// A cgroup namespace is made when the process is in its cgroups, a time namespace by unshare, and with a user namespace an IPC namespace
	// only by user 0 there.
	assert.Equal(t, uintptr(unix.CLONE_NEWUSER|unix.CLONE_NEWUTS|unix.CLONE_NEWPID|unix.CLONE_NEWNS|unix.CLONE_NEWNET), s.New)
	assert.NotNil(t, s.Offsets)
	assert.True(t, s.MakesUser())
	assert.True(t, s.HasUser())
	assert.Len(t, s.UIDs, 1)
	assert.Empty(t, s.Joined)
	s, err = open(all[1:]...)
	require.NoError(t, err)
	defer s.Close()
	assert.Equal(t, uintptr(unix.CLONE_NEWUTS|unix.CLONE_NEWPID|unix.CLONE_NEWNS|unix.CLONE_NEWIPC|unix.CLONE_NEWNET), s.New)
}

func TestNamespacesByPathAreJoinedTheUsersLast(t *testing.T) {
	pid := elsewhere(t, unix.CLONE_NEWUSER|unix.CLONE_NEWNET|unix.CLONE_NEWNS)
	s, err := open(
		specs.LinuxNamespace{Type: specs.UserNamespace, Path: path(pid, "user")},
		specs.LinuxNamespace{Type: specs.NetworkNamespace, Path: path(pid, "net")},
		specs.LinuxNamespace{Type: specs.MountNamespace, Path: path(pid, "mnt")},
	)
	require.NoError(t, err)
	defer s.Close()
	var flags []uintptr
	for _, h := range s.Joined {
		flags = append(flags, h.Flags)
	}
	assert.Equal(t, []uintptr{unix.CLONE_NEWNET, unix.CLONE_NEWNS, unix.CLONE_NEWUSER}, flags)
	assert.Zero(t, s.New)
	assert.True(t, s.User)
	assert.True(t, s.Mount)
	assert.False(t, s.MakesUser())
}

func TestWrongNamespacesAreRefused(t *testing.T) {
	file := t.TempDir() + "/file"
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for words, n := range map[string]specs.LinuxNamespace{
		`unknown namespace "nothing"`:     {Type: "nothing"},
		"no such file":                    {Type: specs.UTSNamespace, Path: "/proc/self/ns/nothing"},
		"must be a namespace of type uts": {Type: specs.UTSNamespace, Path: "/proc/self/ns/net"},
		"must be a namespace of type ipc": {Type: specs.IPCNamespace, Path: file},
		"the host's own mount namespace":  {Type: specs.MountNamespace, Path: "/proc/self/ns/mnt"},
	} {
		_, err := open(specs.LinuxNamespace{Type: specs.PIDNamespace}, n)
		assert.ErrorContains(t, err, "linux.namespaces[1]: ")
		assert.ErrorContains(t, err, words)
	}
	// A process is in its own user namespace already.
	s, err := open(specs.LinuxNamespace{Type: specs.UserNamespace, Path: "/proc/self/ns/user"})
	require.NoError(t, err)
	assert.Empty(t, s.Joined)
}

func TestTheNamespacesOfAProcessAreThoseThatAreNotOurs(t *testing.T) {
	pid := elsewhere(t, unix.CLONE_NEWUTS|unix.CLONE_NEWIPC)
	fd, err := unix.PidfdOpen(pid, 0)
	require.NoError(t, err)
	pidfd := os.NewFile(uintptr(fd), "pidfd")
	defer pidfd.Close()
	s, err := Of(pid, pidfd)
	require.NoError(t, err)
	assert.Equal(t, []Handle{{pidfd, unix.CLONE_NEWUTS}, {pidfd, unix.CLONE_NEWIPC}}, s.Joined)
	assert.False(t, s.HasUser())

	// No process has a number above PID_MAX_LIMIT.
	_, err = Of(1<<22+1, pidfd)
	assert.ErrorIs(t, err, os.ErrNotExist)
}
