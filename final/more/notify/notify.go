//go:build linux

// Package notify runs on the host side: it gives the listener of a seccomp filter to an agent.
package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// An Agent decides about system calls in place of the kernel. It listens at a socket of the host. seccomp_unotify(2)
type Agent struct {
	Profile *specs.LinuxSeccomp
	// State is the state of the container, of which Send fills in process 1 if it is missing.
	State specs.State
}

// listenerTimeout is how long the filter may take to be loaded.
const listenerTimeout = 10 * time.Second

// listenerKind is what /proc/PID/fd says of a listener.
const listenerKind = "anon_inode:seccomp notify"

// Send takes the listener of the filter out of a process, as soon as it is there, and sends it to the agent with the state of the process.
// The number is that of the listener in the process, which is known by a descriptor and by its PID. The PID is 0 for process 1 that
// somebody else has made. config-linux.md, "The Container Process State"
func (a *Agent) Send(pidfd, pid, number int) error {
	deadline := time.Now().Add(listenerTimeout)
	listener, err := unix.PidfdGetfd(pidfd, number, 0)
	for errors.Is(err, unix.EBADF) && time.Now().Before(deadline) {
		time.Sleep(100 * time.Microsecond)
		listener, err = unix.PidfdGetfd(pidfd, number, 0)
	}
	if err != nil {
		return fmt.Errorf("linux.seccomp: take the listener of the filter: %w", err)
	}
	defer unix.Close(listener)
	// Where a container can look into the process, it may have put another file there.
	if kind, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", listener)); kind != listenerKind {
		return fmt.Errorf("linux.seccomp: take the listener of the filter: descriptor %d is %s, and no listener", number, kind)
	}
	if err := a.send(listener, pid); err != nil {
		return fmt.Errorf("linux.seccomp.listenerPath: failed to connect with seccomp agent: %w", err)
	}
	return nil
}

func (a *Agent) send(listener, pid int) error {
	if pid == 0 {
		pid = a.State.Pid
	}
	if a.State.Pid == 0 {
		a.State.Pid = pid
	}
	message, err := json.Marshal(specs.ContainerProcessState{
		Version: specs.Version, Fds: []string{specs.SeccompFdName}, Pid: pid, Metadata: a.Profile.ListenerMetadata, State: a.State,
	})
	if err != nil {
		return err
	}
	return SendTo(a.Profile.ListenerPath, message, listener)
}

// SendTo sends a message and a descriptor to who listens at a socket. unix(7), SCM_RIGHTS
func SendTo(path string, message []byte, descriptor int) error {
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
