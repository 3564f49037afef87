//go:build linux

package check_test

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"container-workshop/internal/check"
)

// execve(2)
func TestAMarkIsSeenWhateverAProcessIsDoing(t *testing.T) {
	const mark = "MARK_OF=a process that does nothing but execve"
	cmd := exec.Command("/bin/sh", "-c", `exec /bin/sh -c "$0" "$0"`)
	cmd.Args = append(cmd.Args, cmd.Args[2])
	cmd.Env = []string{mark}
	require.NoError(t, cmd.Start())
	defer cmd.Wait()
	defer cmd.Process.Kill()
	times := 300
	if testing.Short() {
		times = 30
	}
	for range times {
		require.Equal(t, []int{cmd.Process.Pid}, check.Marked(mark))
	}
}
