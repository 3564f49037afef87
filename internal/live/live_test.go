package live_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/internal/live"
)

// In the environment of a second process, holder is the workshop in which the process says that it is a watch.
const holder = "LIVE_TEST_WATCH"

func TestMain(m *testing.M) {
	if top := os.Getenv(holder); top != "" {
		live.Watch(top)
		select {}
	}
	os.Exit(m.Run())
}

// workshop returns a folder in which a coach has been.
func workshop(t *testing.T) string {
	t.Helper()
	top := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(top, "work"), 0o755))
	require.NoError(t, os.WriteFile(live.StateFile(top), []byte(`{"doing": "passed"}`), 0o644))
	return top
}

// watch starts a process that says that it is a watch.
func watch(t *testing.T, top string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), holder+"="+top)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd
}

func becomes(t *testing.T, top string, watching bool) {
	t.Helper()
	require.Eventually(t, func() bool { return live.Read(top).Watching == watching }, time.Minute, time.Millisecond)
}

func TestAWatchIsRunningWhileOneProcessSaysSo(t *testing.T) {
	top := workshop(t)
	assert.False(t, live.Read(top).Watching)
	first := watch(t, top)
	becomes(t, top, true)
	second := watch(t, top)
	require.NoError(t, first.Process.Kill())
	first.Wait()
	becomes(t, top, true)
	require.NoError(t, second.Process.Kill())
	second.Wait()
	becomes(t, top, false)
}

func TestManyPagesAskAtTheSameTime(t *testing.T) {
	top := workshop(t)
	becomes(t, top, false)
	cmd := watch(t, top)
	becomes(t, top, true)
	require.NoError(t, cmd.Process.Kill())
	cmd.Wait()
	// Now the file of the lock exists, and nobody holds the lock.
	var pages sync.WaitGroup
	for range 8 {
		pages.Go(func() {
			for range 500 {
				if live.Read(top).Watching {
					t.Error("a page takes another page for a watch")
					return
				}
			}
		})
	}
	pages.Wait()
}
