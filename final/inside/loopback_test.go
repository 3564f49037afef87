//go:build linux

package inside

import (
	"errors"
	"net"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestTheLoopbackInterfaceOfANewNamespaceComesUp(t *testing.T) {
	runtime.LockOSThread()
	before, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	require.NoError(t, unix.Unshare(unix.CLONE_NEWNET))
	defer func() { assert.NoError(t, errors.Join(unix.Setns(before, unix.CLONE_NEWNET), unix.Close(before))) }()
	for _, up := range []bool{false, true} {
		lo, err := net.InterfaceByName("lo")
		require.NoError(t, err)
		assert.Equal(t, up, lo.Flags&net.FlagUp != 0)
		require.NoError(t, loopbackUp())
	}
	c := &container{}
	stages, err := c.loopback()
	require.NoError(t, err)
	assert.Empty(t, stages, "without a network namespace it is the host's")
}
