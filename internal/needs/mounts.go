//go:build linux

package needs

import (
	"errors"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// OwnMounts puts the rest of a test into a mount namespace of its own, with private mounts. The namespace ends with the test.
func OwnMounts(t *testing.T) {
	t.Helper()
	// The thread ends with the goroutine. Only the first thread of the program does not, and others see it in /proc/self: so the test
	// returns to the namespace from which it came.
	runtime.LockOSThread()
	before, err := unix.Open("/proc/thread-self/ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	require.NoError(t, unix.Unshare(unix.CLONE_NEWNS))
	t.Cleanup(func() { assert.NoError(t, errors.Join(unix.Setns(before, unix.CLONE_NEWNS), unix.Close(before))) })
	require.NoError(t, unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""))
}
