//go:build linux

package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/cgroup"
)

// live returns a container if its status is one of the wanted ones. The container is not locked: the caller changes nothing in its state,
// and the holder of the lock may be waiting for just this call.
func (s *Store) live(id string, wanted ...specs.ContainerState) (*Container, error) {
	c, err := s.unlocked(id)
	if err != nil {
		return nil, err
	}
	if err := c.look(); err != nil {
		return nil, err
	}
	if err := c.enter(); err != nil {
		return nil, err
	}
	if c.unfound != nil {
		return nil, c.unfound
	}
	if c.lost != nil && c.Status == specs.StateRunning {
		return nil, c.lost
	}
	if !slices.Contains(wanted, c.Status) {
		return nil, fmt.Errorf("container not running: %s is %s", id, c.Status)
	}
	return c, nil
}

// withProcesses are the statuses in which a container has processes.
var withProcesses = []specs.ContainerState{specs.StateCreated, specs.StateRunning, StatePaused}

// Kill sends a signal to process 1. Signal 0 only asks whether it runs. SIGKILL ends all processes: with a PID namespace the kernel does
// that, and without one Kill does. pid_namespaces(7)
func (s *Store) Kill(id string, sig unix.Signal) error {
	if sig == unix.SIGKILL {
		if c, err := s.live(id, append(withProcesses, specs.StateStopped)...); err == nil && !c.ownsPIDs() {
			return c.killEach()
		}
	}
	c, err := s.live(id, withProcesses...)
	if err != nil {
		return err
	}
	return c.signal(sig)
}

// killEach ends all processes, even if the first has ended already. It is an error if there is none.
func (c *Container) killEach() error {
	pids, err := c.processes()
	if err != nil {
		return err
	}
	if c.Status == specs.StateStopped && len(pids) == 0 {
		return fmt.Errorf("container not running: %s is %s", c.ID, c.Status)
	}
	if c.Status != specs.StateStopped {
		// Process 1 may have moved to another cgroup, or may have ended just now.
		_ = c.signal(unix.SIGKILL)
	}
	return c.Cgroup.Kill(unix.SIGKILL)
}

// ownsPIDs reports whether the container has a PID namespace of its own.
func (c *Container) ownsPIDs() bool {
	spec, err := c.Spec()
	return err == nil && slices.ContainsFunc(spec.Linux.Namespaces, func(n specs.LinuxNamespace) bool {
		return n.Type == specs.PIDNamespace && n.Path == ""
	})
}

// signal sends a signal to process 1.
func (c *Container) signal(sig unix.Signal) error {
	pidfd, err := c.pidfd()
	if err != nil {
		return err
	}
	if pidfd == -1 {
		return c.justEnded()
	}
	defer unix.Close(pidfd)
	if err := unix.PidfdSendSignal(pidfd, sig, nil, 0); err != nil {
		return fmt.Errorf("send signal %d: %w", sig, err)
	}
	if sig == unix.SIGKILL {
		c.thaw()
	}
	return nil
}

// thaw thaws processes that have to end: on version 1 a frozen process does not end.
func (c *Container) thaw() {
	if c.Cgroup != nil {
		c.Cgroup.Thaw()
	}
}

// KillAll sends a signal to all processes of a container. A container without its own PID namespace may have processes after the end of
// process 1.
func (s *Store) KillAll(id string, sig unix.Signal) error {
	c, err := s.live(id, append(withProcesses, specs.StateStopped)...)
	if err != nil {
		return err
	}
	if sig == unix.SIGKILL && c.Status != specs.StateStopped && c.Cgroup.Mode != cgroup.None {
		return c.killEach()
	}
	pids, err := c.processes()
	if err != nil || len(pids) == 0 {
		return err
	}
	if c.Cgroup.Mode == cgroup.None {
		for _, pid := range pids {
			if err := unix.Kill(pid, sig); err != nil && err != unix.ESRCH {
				return fmt.Errorf("send signal %d to process %d: %w", sig, pid, err)
			}
		}
		return nil
	}
	return c.Cgroup.Kill(sig)
}

// Processes returns the PIDs of a container on the host. A stopped container has processes only if process 1 has left some behind, in a PID
// namespace that is not its own.
func (s *Store) Processes(id string) ([]int, error) {
	c, err := s.live(id, append(withProcesses, specs.StateStopped)...)
	if err != nil {
		return nil, err
	}
	return c.processes()
}

func (c *Container) processes() ([]int, error) {
	if c.Cgroup == nil || c.Status == specs.StateStopped && c.ownsPIDs() {
		// Whatever is in its cgroup now belongs to somebody else.
		return nil, nil
	}
	if c.Cgroup.Mode == cgroup.None {
		return c.inNamespace()
	}
	return c.Cgroup.Procs()
}

// inNamespace returns the PIDs of a container without cgroups: the processes in its PID namespace. If the PID namespace is not its own, nobody
// can tell its processes from others, but for process 1.
func (c *Container) inNamespace() ([]int, error) {
	if c.Status == specs.StateStopped {
		return nil, nil
	}
	if !c.ownsPIDs() {
		return []int{c.Pid}, nil
	}
	own, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", c.Pid))
	if err != nil {
		return nil, err
	}
	if !c.IsAlive() {
		// By now the PID may be that of another process.
		return nil, nil
	}
	names, err := filepath.Glob("/proc/[0-9]*/ns/pid")
	var pids []int
	for _, name := range names {
		if namespace, _ := os.Readlink(name); namespace != own {
			continue
		}
		if pid, err := strconv.Atoi(strings.Split(name, "/")[2]); err == nil {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids, err
}

// Pause freezes all processes of a container, or thaws them.
func (s *Store) Pause(id string, pause bool) error {
	wanted := []specs.ContainerState{specs.StateCreated, specs.StateRunning}
	if !pause {
		wanted = []specs.ContainerState{StatePaused}
	}
	c, err := s.live(id, append(withProcesses, specs.StateStopped)...)
	if err != nil {
		return err
	}
	if !slices.Contains(wanted, c.Status) {
		return fmt.Errorf("container %s is %s, not %s", id, c.Status, wanted[len(wanted)-1])
	}
	return c.Cgroup.Freeze(pause)
}

// Update changes limits. A limit that the resources leave out stays as it is.
func (s *Store) Update(id string, resources *specs.LinuxResources) error {
	c, err := s.live(id, withProcesses...)
	if err != nil {
		return err
	}
	return c.Cgroup.Set(resources)
}

// Stats returns the cgroup of a container that has processes, for counting.
func (s *Store) Stats(id string) (*cgroup.Cgroup, error) {
	c, err := s.live(id, withProcesses...)
	if err != nil {
		return nil, err
	}
	return c.Cgroup, nil
}

// Glance returns the state of a container without its lock, which another command may hold for long.
func (s *Store) Glance(id string) (*State, error) {
	c, err := s.unlocked(id)
	if err != nil {
		return nil, err
	}
	if err := c.look(); err != nil {
		return nil, err
	}
	c.Owner = userName(c.Owner)
	return &c.State, nil
}

// look is glance for a container that must exist.
func (c *Container) look() error {
	err := c.glance()
	if errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("container %s %w (final list shows those that do)", filepath.Base(c.dir), errNotThere)
	}
	return err
}
