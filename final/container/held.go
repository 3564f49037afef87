//go:build linux

package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/more/notify"
	"container-workshop/final/process"
	"container-workshop/final/seccomp"
)

// A created container listens at startSocket, and holds a lock on heldFile. Both are in its directory.
const (
	startSocket = "start.socket"
	heldFile    = "held"
)

// openHeld makes the socket and the locked file of a container that waits for Start.
func (r *Run) openHeld(p *plan) error {
	if !r.request.Held {
		return nil
	}
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	p.orders.Start = p.add(socket)
	if err := errors.Join(unix.Bind(socket, r.address()), unix.Listen(socket, 1)); err != nil {
		return fmt.Errorf("create the socket for start: %w", err)
	}
	name := filepath.Join(r.dir, heldFile)
	held, err := unix.Open(name, unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return &os.PathError{Op: "open", Path: name, Err: err}
	}
	p.orders.Held = p.add(held)
	return lock(held)
}

// address is the address of the socket, by way of a descriptor: the path of the directory may be too long. unix(7)
func (c *Container) address() unix.Sockaddr {
	return &unix.SockaddrUnix{Name: fmt.Sprintf("/proc/self/fd/%d/%s", c.lock, startSocket)}
}

// isHeld reports whether the container still waits for Start: until execve its process holds the lock. flock(2)
func (c *Container) isHeld() bool {
	file, err := os.Open(filepath.Join(c.dir, heldFile))
	if err != nil {
		return false
	}
	defer file.Close()
	return unix.Flock(int(file.Fd()), unix.LOCK_SH|unix.LOCK_NB) == unix.EWOULDBLOCK
}

// hasBeenHeld reports whether the container waits for Start or has waited: its process writes to the file before it waits.
func (c *Container) hasBeenHeld() bool {
	info, err := os.Stat(filepath.Join(c.dir, heldFile))
	return err == nil && info.Size() > 0
}

// Start lets a created container become its command. If that fails, the container is stopped.
func (s *Store) Start(id string) error {
	c, err := s.Open(id)
	if err != nil {
		return err
	}
	defer c.Close()
	if c.Status != specs.StateCreated {
		return fmt.Errorf("cannot start container %s: it is %s, not created", id, c.Status)
	}
	spec, err := c.Spec()
	if err != nil {
		return err
	}
	p := process.Make(false, s.warn)
	if p.Pidfd, err = c.pidfd(); err != nil || p.Pidfd == -1 {
		return errors.Join(err, c.justEnded())
	}
	defer unix.Close(p.Pidfd)
	if p.Agent, err = c.agentOf(spec); err != nil {
		return err
	}
	if hooks := spec.Hooks; hooks != nil && len(hooks.StartContainer) > 0 {
		p.Hooks = func() error { return c.startContainer(spec) }
	}
	p.Late = c.Late
	defer p.HangUp()
	err = p.Connect(c.address())
	if errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("cannot start container %s: another start is under way", id)
	}
	if err != nil {
		return fmt.Errorf("connect to the container: %w", err)
	}
	if err := p.Say(); err != nil {
		return err
	}
	// From here on the container starts, whatever happens to us. Its hooks may take long, so give the lock back.
	err = os.Remove(filepath.Join(c.dir, startSocket))
	c.Close()
	if err := errors.Join(p.Follow(), err); err != nil {
		return err
	}
	c.poststart(spec.Hooks)
	return nil
}

// agentOf returns the agent of the container's filter, if it has one.
func (c *Container) agentOf(spec *specs.Spec) (*notify.Agent, error) {
	if spec.Linux.Seccomp == nil {
		return nil, nil
	}
	flags, err := seccomp.Flags(spec.Linux.Seccomp)
	if err != nil || flags&unix.SECCOMP_FILTER_FLAG_NEW_LISTENER == 0 {
		return nil, err
	}
	return &notify.Agent{Profile: spec.Linux.Seccomp, State: specs.State{Version: c.Version, ID: c.ID, Status: c.Status, Pid: c.Pid, Bundle: c.Bundle, Annotations: c.Annotations}}, nil
}
