//go:build linux

package check_test

import (
	"os/exec"
	"slices"
	"testing"
	"time"

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
	seen := func() bool { return slices.Equal(check.Marked(mark), []int{cmd.Process.Pid}) }
	require.Eventually(t, seen, check.Patience, time.Millisecond, "it has become a shell")
	times := 300
	if testing.Short() {
		times = 30
	}
	for range times {
		require.True(t, seen())
	}
}
