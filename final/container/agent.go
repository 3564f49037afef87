//go:build linux

package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// An agent decides about system calls in place of the kernel. It listens at a socket of the host. seccomp_unotify(2)
type agent struct {
	profile *specs.LinuxSeccomp
	state   specs.State
}

func newAgent(q *Request) *agent {
	if q.FilterFlags&unix.SECCOMP_FILTER_FLAG_NEW_LISTENER == 0 {
		return nil
	}
	return &agent{q.Spec.Linux.Seccomp, specs.State{Version: specs.Version, ID: q.ID, Status: specs.StateCreating, Bundle: q.Bundle, Annotations: q.Spec.Annotations}}
}

// listenerTimeout is how long the filter may take to be loaded.
const listenerTimeout = 10 * time.Second

// handOver takes the listener of the filter out of the process, as soon as it is there, and sends it to the agent with the state of
// the process. Then it gives the process its word. config-linux.md, "The Container Process State"
func (p *Process) handOver(number int) error {
	if p.agent == nil {
		return errors.New("linux.seccomp: the filter has a listener, but there is no agent: set listenerPath")
	}
	deadline := time.Now().Add(listenerTimeout)
	listener, err := unix.PidfdGetfd(p.pidfd, number, 0)
	for errors.Is(err, unix.EBADF) && time.Now().Before(deadline) {
		time.Sleep(100 * time.Microsecond)
		listener, err = unix.PidfdGetfd(p.pidfd, number, 0)
	}
	if err != nil {
		return fmt.Errorf("linux.seccomp: take the listener of the filter: %w", err)
	}
	defer unix.Close(listener)
	if err := p.agent.send(listener, p.pid); err != nil {
		return fmt.Errorf("linux.seccomp.listenerPath: failed to connect with seccomp agent: %w", err)
	}
	return p.send(struct{}{})
}

// send is told the number of the process, if it is one of ours: else it is process 1, which somebody else has made.
func (a *agent) send(listener, pid int) error {
	if pid == 0 {
		pid = a.state.Pid
	}
	if a.state.Pid == 0 {
		a.state.Pid = pid
	}
	message, err := json.Marshal(specs.ContainerProcessState{
		Version: specs.Version, Fds: []string{specs.SeccompFdName}, Pid: pid, Metadata: a.profile.ListenerMetadata, State: a.state,
	})
	if err != nil {
		return err
	}
	return sendTo(a.profile.ListenerPath, message, listener)
}

// sendTo sends a message and a descriptor to who listens at a socket. unix(7), SCM_RIGHTS
func sendTo(path string, message []byte, descriptor int) error {
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(socket)
	if err := unix.Connect(socket, &unix.SockaddrUnix{Name: path}); err != nil {
		return fmt.Errorf("connect to %s: %w", path, err)
	}
	if err := unix.Sendmsg(socket, message, unix.UnixRights(descriptor), nil, unix.MSG_NOSIGNAL); err != nil {
		return fmt.Errorf("send to %s: %w", path, err)
	}
	return nil
}
