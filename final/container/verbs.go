//go:build linux

package container

import (
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/cgroup"
)

// open returns a container, locked, if its status is one of those.
func open(root, id string, wanted ...specs.ContainerState) (*Container, error) {
	c, err := Open(root, id)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(wanted, c.Status) {
		defer c.Close()
		return nil, fmt.Errorf("container not running: %s is %s", id, c.Status)
	}
	return c, nil
}

// Kill sends a signal to process 1.
func Kill(root, id string, sig unix.Signal) error {
	c, err := open(root, id, specs.StateCreated, specs.StateRunning, StatePaused)
	if err != nil {
		return err
	}
	defer c.Close()
	process, err := c.process()
	if err != nil {
		return err
	}
	if process == -1 {
		return c.justEnded()
	}
	defer unix.Close(process)
	if err := unix.PidfdSendSignal(process, sig, nil, 0); err != nil {
		return fmt.Errorf("send signal %d: %w", sig, err)
	}
	return nil
}

// KillAll sends a signal to all processes of a container. There may be some, or none, when process 1 has ended: where it has no PID
// namespace of its own.
func KillAll(root, id string, sig unix.Signal) error {
	c, err := Open(root, id)
	if err != nil {
		return err
	}
	defer c.Close()
	if c.Cgroup == nil {
		return nil
	}
	return c.Cgroup.Kill(sig)
}

// Processes returns the host's numbers of the processes of a container.
func Processes(root, id string) ([]int, error) {
	c, err := open(root, id, specs.StateCreated, specs.StateRunning, StatePaused)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.Cgroup.Procs()
}

// Pause stops all processes of a container, or lets them go on.
func Pause(root, id string, pause bool) error {
	wanted := []specs.ContainerState{specs.StateCreated, specs.StateRunning}
	if !pause {
		wanted = []specs.ContainerState{StatePaused}
	}
	c, err := Open(root, id)
	if err != nil {
		return err
	}
	defer c.Close()
	if !slices.Contains(wanted, c.Status) {
		return fmt.Errorf("container %s is %s: want one that is %s", id, c.Status, wanted[len(wanted)-1])
	}
	return c.Cgroup.Freeze(pause)
}

// Update changes limits. What the resources leave out stays as it is.
func Update(root, id string, resources *specs.LinuxResources) error {
	c, err := open(root, id, specs.StateCreated, specs.StateRunning, StatePaused)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Cgroup.Set(resources)
}

// Stats returns the cgroup of a container that has processes, to count what they take.
func Stats(root, id string) (*cgroup.Cgroup, error) {
	c, err := open(root, id, specs.StateCreated, specs.StateRunning, StatePaused)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.Cgroup, nil
}

// Glance returns the state of a container without its lock, which others may have for long.
func Glance(root, id string) (*State, error) {
	c, err := unlocked(root, id)
	if err != nil {
		return nil, err
	}
	if err := c.glance(); errors.Is(err, unix.ENOENT) {
		return nil, fmt.Errorf("container %s %w (those that do: final list)", id, errNotThere)
	} else if err != nil {
		return nil, err
	}
	return &c.State, nil
}
