//go:build linux

package alive

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestANoteMeansOneProcess(t *testing.T) {
	cmd := exec.Command("cat")
	input, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	note := Note(cmd.Process.Pid)
	assert.Equal(t, cmd.Process.Pid, Noted(note))
	assert.Zero(t, Noted(fmt.Appendf(nil, "%d 1", cmd.Process.Pid)), "a later process with the same PID")
	require.NoError(t, input.Close())
	// The process stays a zombie until Wait.
	require.NoError(t, unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil))
	assert.Zero(t, Noted(note), "a zombie")
	require.NoError(t, cmd.Wait())
	assert.Zero(t, Noted(note))
	for _, broken := range []string{"", "1", "x y", fmt.Sprintf("%d ", os.Getpid()), "-1 1", "0 "} {
		assert.Zero(t, Noted([]byte(broken)), broken)
	}
}
