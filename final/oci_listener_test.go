//go:build linux

package main

import (
	"encoding/json"
	"net"
	"path/filepath"
	"testing"
	"time"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A notification is a system call that waits for an answer, and a verdict is what it gets. seccomp_unotify(2)
type notification struct {
	ID         uint64
	PID, Flags uint32
	Number     int32
	Arch       uint32
	Pointer    uint64
	Args       [6]uint64
}

type verdict struct {
	ID    uint64
	Value int64
	Error int32
	Flags uint32
}

// An agent listens where a profile says, and answers each call of each listener it gets by EXDEV.
type agent struct {
	socket *net.UnixListener
	// states are what has come with the listeners.
	states chan specs.ContainerProcessState
	// pids are those of the calls.
	pids chan int
}

func newAgent(t *testing.T) *agent {
	t.Helper()
	socket, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "agent"), Net: "unix"})
	require.NoError(t, err)
	a := &agent{socket, make(chan specs.ContainerProcessState, 10), make(chan int, 100)}
	t.Cleanup(func() { socket.Close() })
	go func() {
		for {
			connection, err := socket.AcceptUnix()
			if err != nil {
				return
			}
			go a.serve(t, connection)
		}
	}()
	return a
}

func (a *agent) serve(t *testing.T, connection *net.UnixConn) {
	message, rights := make([]byte, 1<<16), make([]byte, 1024)
	n, m, _, _, err := connection.ReadMsgUnix(message, rights)
	connection.Close()
	if !assert.NoError(t, err) {
		return
	}
	var state specs.ContainerProcessState
	assert.NoError(t, json.Unmarshal(message[:n], &state))
	control, err := unix.ParseSocketControlMessage(rights[:m])
	if !assert.NoError(t, err) || !assert.Len(t, control, 1) {
		return
	}
	fds, err := unix.ParseUnixRights(&control[0])
	if !assert.NoError(t, err) || !assert.Len(t, fds, 1) {
		return
	}
	a.states <- state
	a.answer(fds[0])
}

// answer answers until there is nobody left to ask.
func (a *agent) answer(listener int) {
	defer unix.Close(listener)
	for {
		poll := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(poll, -1); err == unix.EINTR {
			continue
		}
		if poll[0].Revents&unix.POLLIN == 0 {
			return
		}
		var asked notification
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&asked))); errno != 0 {
			continue
		}
		a.pids <- int(asked.PID)
		reply := verdict{ID: asked.ID, Error: -int32(unix.EXDEV)}
		_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&reply)))
	}
}

func (a *agent) state(t *testing.T) specs.ContainerProcessState {
	t.Helper()
	select {
	case state := <-a.states:
		return state
	case <-time.After(patience):
		require.FailNow(t, "the agent has got no listener")
		return specs.ContainerProcessState{}
	}
}

func (c *bundled) notified(a *agent) {
	c.spec.Annotations = map[string]string{"of.us": "a b"}
	c.spec.Linux.Seccomp = profile(specs.ActNotify, nil, "mkdir", "mkdirat")
	c.spec.Linux.Seccomp.ListenerPath, c.spec.Linux.Seccomp.ListenerMetadata = a.socket.Addr().String(), "meta data"
}

// config-linux.md, "The Container Process State"
func TestAnAgentDecidesAboutSystemCalls(t *testing.T) {
	c := newBundle(t)
	a := newAgent(t)
	c.notified(a)
	const script = "busybox mkdir /tmp/x; true"
	answer := result{"", "mkdir: can't create directory '/tmp/x': Invalid cross-device link\n", 0}
	for _, noNewPrivileges := range []bool{true, false} {
		c.spec.Process.NoNewPrivileges = noNewPrivileges
		c.spec.Process.Args = []string{"sh", "-c", script}
		require.Equal(t, answer, c.run())
		state := a.state(t)
		require.Equal(t, specs.ContainerProcessState{
			Version: specs.Version, Fds: []string{specs.SeccompFdName}, Pid: state.Pid, Metadata: "meta data",
			State: specs.State{Version: state.State.Version, ID: c.id, Status: specs.StateCreating, Pid: state.Pid, Bundle: c.dir, Annotations: c.spec.Annotations},
		}, state)
		require.NotZero(t, state.Pid)
		require.NotZero(t, <-a.pids)
	}
	c.nothingLeft()
}

func TestAnAgentDecidesForWhatIsStartedLater(t *testing.T) {
	c := newBundle(t)
	a := newAgent(t)
	c.notified(a)
	pid := c.stays()
	state := a.state(t)
	require.Equal(t, pid, state.Pid)
	require.Equal(t, pid, state.State.Pid)
	require.Equal(t, c.id, state.State.ID)
	require.Equal(t, "meta data", state.Metadata)

	r := c.final("exec", c.id, "sh", "-c", "busybox mkdir /tmp/x; true")
	require.Equal(t, result{"", "mkdir: can't create directory '/tmp/x': Invalid cross-device link\n", 0}, r)
	joined := a.state(t)
	require.NotEqual(t, pid, joined.Pid, "that of the process")
	require.Equal(t, pid, joined.State.Pid, "that of the container")
	require.Equal(t, specs.StateRunning, joined.State.Status)
	require.Equal(t, []string{specs.SeccompFdName}, joined.Fds)
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

func TestAnAgentThatIsNotThere(t *testing.T) {
	c := newBundle(t, "true")
	a := newAgent(t)
	c.notified(a)
	a.socket.Close()
	refused(t, c.run(), 1, "linux.seccomp.listenerPath: failed to connect with seccomp agent: connect to "+a.socket.Addr().String())
	c.nothingLeft()
}
