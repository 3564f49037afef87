//go:build linux

package notify

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A process that somebody has taken hold of can name any descriptor.
func TestOnlyAListenerGoesToTheAgent(t *testing.T) {
	agent := filepath.Join(t.TempDir(), "agent")
	listening, err := net.Listen("unix", agent)
	require.NoError(t, err)
	defer listening.Close()
	pidfd, err := unix.PidfdOpen(os.Getpid(), 0)
	require.NoError(t, err)
	defer unix.Close(pidfd)
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	require.NoError(t, err)
	defer file.Close()
	a := Agent{Profile: &specs.LinuxSeccomp{ListenerPath: agent}}
	assert.ErrorContains(t, a.Send(pidfd, os.Getpid(), int(file.Fd())), "no listener")
}
