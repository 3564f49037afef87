//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The command must not get the slack: all its timers would be late.
func TestTheMonitorThreadOfTheGoRuntimeMaySleepLongerAndTheCommandMayNot(t *testing.T) {
	const usual = "50000"
	c := newTrial(t)
	goOn := filepath.Join(t.TempDir(), "go-on")
	cmd := c.call(c.runArgs(nil, "sh", "-c", "read slack </proc/self/timerslack_ns; [ $slack = "+usual+" ]")...)
	cmd.Env = append(cmd.Env, fmt.Sprintf("%s=host 0 %s", interruptEnv, goOn))
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	pid := c.atStage()
	tasks, err := os.Open(fmt.Sprintf("/proc/%d/task", pid))
	require.NoError(t, err)
	defer tasks.Close()
	threads, err := tasks.Readdirnames(-1)
	require.NoError(t, err)
	require.Greater(t, len(threads), 1)
	for i, want := range []string{usual, slack} {
		content, err := os.ReadFile("/proc/" + threads[i] + "/timerslack_ns")
		require.NoError(t, err)
		require.Equal(t, want, strings.TrimSpace(string(content)), "thread %d of %v", i, threads)
	}
	require.NoError(t, os.WriteFile(goOn, nil, 0o600))
	require.NoError(t, cmd.Wait())
	c.nothingLeft()
}
