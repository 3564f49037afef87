//go:build linux

package inside_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/command"
	"container-workshop/final/inside"
	"container-workshop/final/rootfs"
	"container-workshop/final/stage"
)

// join prepares a process that joins a running container.
func (c *container) join(process *specs.Process, streams [3]int) (made *inside.Made, err error) {
	c.Helper()
	root, err := rootfs.OpenRoot(fmt.Sprintf("/proc/%d/root", c.cmd.Process.Pid))
	require.NoError(c, err)
	defer root.Close()
	q := &inside.Request{Spec: &specs.Spec{Process: process}, Root: int(root), UserNamespace: c.request.UserNamespace, IDs: c.request.IDs, Streams: streams}
	err = inside.Enter(-1, -1, c.request.IDs, func() (err error) {
		made, err = inside.Join((&stage.List{Side: "host"}).Line(), q)
		return err
	})
	return made, err
}

const waits = "echo ready; exec cat /fifo"

func TestJoinPreparesAProcessOfARunningContainer(t *testing.T) {
	for _, user := range []bool{false, true} {
		c := newContainer(t, waits)
		require.NoError(t, unix.Mkfifo(c.in("fifo"), 0o600))
		require.NoError(t, os.WriteFile(c.in("etc/passwd"), []byte("you:x:7:7::/home/you:/bin/sh\n"), 0o644))
		if user {
			c.userNamespace()
		}
		c.runs()
		process := &specs.Process{Args: []string{"tty"}, Env: []string{"PATH=/none:/bin", "HOME="}, Cwd: "/proc", User: specs.User{UID: 7}, Terminal: true}
		made, err := c.join(process, [3]int{})
		require.NoError(t, err)
		defer made.Close()
		defer unix.Close(made.Master)
		assert.Equal(t, "/bin/tty", made.Command)
		assert.Equal(t, "HOME=/home/you", made.Home)
		assert.Equal(t, [3]int{-1, -1, -1}, made.Null)
		// The terminal belongs to root of the container.
		var slave unix.Stat_t
		require.NoError(t, unix.Fstat(made.Slave, &slave))
		want := uint32(0)
		if user {
			want = first
		}
		assert.Equal(t, want, slave.Uid)
		assert.Equal(t, unix.Mkdev(136, 0), slave.Rdev)
	}
}

func TestJoinFindsWhatIsMissing(t *testing.T) {
	c := newContainer(t, waits)
	require.NoError(t, unix.Mkfifo(c.in("fifo"), 0o600))
	c.runs()
	process := &specs.Process{Args: []string{"none"}, Cwd: "/"}
	_, err := c.join(process, [3]int{1, 1, 1})
	assert.EqualError(t, err, `exec: "none": executable file not found in $PATH of the container`)
	assert.Equal(t, 127, command.Status(err))
	process.Cwd = "/not/there"
	_, err = c.join(process, [3]int{1, 1, 1})
	assert.EqualError(t, err, `working directory: chdir to cwd ("/not/there"): no such file or directory`)
	assert.NoDirExists(t, c.in("not"))
}

// A container may have removed its /dev/null, or have put another file there.
func TestAProcessThatJoinsGetsANullDevice(t *testing.T) {
	for name, script := range map[string]string{"there": "", "removed": "rm /dev/null;", "another device": "rm /dev/null; ln /dev/zero /dev/null;"} {
		c := newContainer(t, script+waits)
		require.NoError(t, unix.Mkfifo(c.in("fifo"), 0o600))
		require.NoError(t, os.Symlink("busybox", c.in("bin/rm")))
		require.NoError(t, os.Symlink("busybox", c.in("bin/ln")))
		c.runs()
		unix.Umask(0o077)
		made, err := c.join(&specs.Process{Args: []string{"sh"}, Env: []string{"PATH=/bin"}, Cwd: "/"}, [3]int{-1, 1, 1})
		unix.Umask(0o022)
		require.NoError(t, err)
		var null unix.Stat_t
		require.NoError(t, unix.Fstat(made.Null[0], &null))
		assert.Equal(t, unix.Mkdev(1, 3), null.Rdev, name)
		assert.Equal(t, uint32(unix.S_IFCHR|0o666), null.Mode, name)
		made.Close()
	}
}
