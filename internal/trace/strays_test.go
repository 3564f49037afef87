//go:build linux

package trace

import (
	"os/exec"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A task can stop before the kernel tells the tracer that the task exists.
func TestStraysLeaveTheStopOfANewTask(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command("/bin/true")
	cmd.SysProcAttr = &unix.SysProcAttr{Ptrace: true}
	require.NoError(t, cmd.Start())
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
	}()
	var info siginfo
	require.NoError(t, waitid(cmd.Process.Pid, &info, unix.WALL|unix.WSTOPPED|unix.WNOWAIT))
	tracer := &tracer{tasks: map[int]*task{}}
	tracer.strays()
	status, exited, err := tracer.wait(cmd.Process.Pid)
	assert.NoError(t, err)
	assert.False(t, exited)
	assert.Equal(t, int(unix.SIGTRAP), status, "the stop is still there")
}
