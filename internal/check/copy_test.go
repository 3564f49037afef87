//go:build linux

package check

import (
	"os/exec"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Checks run beside each other, and most of them start processes.
func TestACopyIsExecutedWhileOthersStart(t *testing.T) {
	done := make(chan struct{})
	var others sync.WaitGroup
	for range 2 {
		others.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					_ = exec.Command("/bin/true").Run()
				}
			}
		})
	}
	defer others.Wait()
	defer close(done)
	for range 100 {
		program, err := copyFile("/bin/true", t.TempDir())
		require.NoError(t, err)
		require.NoError(t, exec.Command(program).Run())
	}
}
