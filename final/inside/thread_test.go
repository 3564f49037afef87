//go:build linux

package inside_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/inside"
	"container-workshop/final/more/idmap"
)

// elsewhere starts a process in a mount namespace of its own, and perhaps with another root directory.
func elsewhere(t *testing.T, chroot string) (pid, pidfd int) {
	t.Helper()
	cmd := exec.Command("/bin/sleep", "1000")
	if chroot != "" {
		cmd.Path = "/bin/busybox"
	}
	cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Chroot: chroot, PidFD: &pidfd}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		unix.Close(pidfd)
	})
	return cmd.Process.Pid, pidfd
}

func namespaceOf(t *testing.T, who string) string {
	t.Helper()
	name, err := os.Readlink("/proc/" + who + "/ns/mnt")
	require.NoError(t, err)
	return name
}

func TestOneThreadEntersAMountNamespaceAndEnds(t *testing.T) {
	pid, pidfd := elsewhere(t, "")
	host := namespaceOf(t, "thread-self")
	var thread int
	require.NoError(t, inside.Enter(pid, pidfd, nil, func() error {
		thread = unix.Gettid()
		assert.NotEqual(t, unix.Getpid(), thread)
		assert.Equal(t, namespaceOf(t, fmt.Sprint(pid)), namespaceOf(t, "thread-self"))
		assert.Equal(t, host, namespaceOf(t, "self"))
		// What this thread starts is where the thread is. Others are where they were.
		output, err := exec.Command("readlink", "/proc/self/ns/mnt").Output()
		assert.NoError(t, err)
		assert.Equal(t, namespaceOf(t, fmt.Sprint(pid))+"\n", string(output))
		other := make(chan string)
		go func() { other <- namespaceOf(t, "thread-self") }()
		assert.Equal(t, host, <-other)
		return unix.Chdir("/proc")
	}))
	assert.Equal(t, host, namespaceOf(t, "thread-self"))
	require.Eventually(t, func() bool {
		return unix.Access(fmt.Sprintf("/proc/self/task/%d", thread), unix.F_OK) != nil
	}, 10*time.Second, time.Millisecond)
	assert.ErrorIs(t, inside.Enter(-1, -1, nil, func() error { return unix.EDOM }), unix.EDOM)
}

// final may run in a chroot. A mount namespace has another root directory.
func TestAThreadHasTheRootDirectoryOfTheProcess(t *testing.T) {
	c := newContainer(t, "")
	require.NoError(t, os.WriteFile(c.in("marker"), nil, 0o600))
	pid, pidfd := elsewhere(t, c.root)
	require.NoError(t, inside.Enter(pid, pidfd, nil, func() error { return unix.Access("/marker", unix.F_OK) }))
	assert.Error(t, unix.Access("/marker", unix.F_OK))
}

func TestFilesOfTheThreadBelongToRootOfTheUserNamespace(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "secret"), []byte("secret"), 0o600))
	ids := &idmap.IDs{
		Users:  []specs.LinuxIDMapping{{ContainerID: 1, HostID: 5000, Size: 10}, {ContainerID: 0, HostID: 4000, Size: 1}},
		Groups: []specs.LinuxIDMapping{{ContainerID: 0, HostID: 6000, Size: 10}},
	}
	require.NoError(t, inside.Enter(-1, -1, ids, func() error {
		// The thread keeps the rights of the host's root.
		content, err := os.ReadFile(filepath.Join(dir, "secret"))
		assert.Equal(t, "secret", string(content))
		assert.NoError(t, err)
		return os.WriteFile(filepath.Join(dir, "new"), nil, 0o666)
	}))
	var stat unix.Stat_t
	require.NoError(t, unix.Stat(filepath.Join(dir, "new"), &stat))
	assert.Equal(t, [3]uint32{4000, 6000, unix.S_IFREG | 0o666}, [3]uint32{stat.Uid, stat.Gid, stat.Mode}, "the thread has no umask")
	ids.Groups = ids.Groups[:0]
	assert.ErrorContains(t, inside.Enter(-1, -1, ids, func() error { return nil }), "no group 0")
}
