//go:build linux

package container

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/cgroup"
)

// live returns a container that has processes, if its status is one of those. It is not locked: nothing of its state is changed,
// and who has the lock may be waiting for just this.
func live(root, id string, wanted ...specs.ContainerState) (*Container, error) {
	c, err := unlocked(root, id)
	if err != nil {
		return nil, err
	}
	if err := c.look(); err != nil {
		return nil, err
	}
	if !slices.Contains(wanted, c.Status) {
		return nil, fmt.Errorf("container not running: %s is %s", id, c.Status)
	}
	return c, nil
}

// withProcesses are the statuses of a container that has some.
var withProcesses = []specs.ContainerState{specs.StateCreated, specs.StateRunning, StatePaused}

// Kill sends a signal to process 1.
func Kill(root, id string, sig unix.Signal) error {
	c, err := live(root, id, withProcesses...)
	if err != nil {
		return err
	}
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
	if sig == unix.SIGKILL {
		return c.thaw()
	}
	return nil
}

// thaw lets processes go on that are to end: on version 1 what is frozen does not.
func (c *Container) thaw() error {
	if c.Cgroup == nil {
		return nil
	}
	if frozen, _ := c.Cgroup.Frozen(); !frozen {
		return nil
	}
	return c.Cgroup.Freeze(false)
}

// KillAll sends a signal to all processes of a container. There may be some, or none, when process 1 has ended: where it has no PID
// namespace of its own.
func KillAll(root, id string, sig unix.Signal) error {
	c, err := live(root, id, append(withProcesses, specs.StateStopped)...)
	if err != nil || c.Cgroup == nil {
		return err
	}
	return c.Cgroup.Kill(sig)
}

// Processes returns the host's numbers of the processes of a container.
func Processes(root, id string) ([]int, error) {
	c, err := live(root, id, withProcesses...)
	if err != nil {
		return nil, err
	}
	return c.Cgroup.Procs()
}

// Pause stops all processes of a container, or lets them go on.
func Pause(root, id string, pause bool) error {
	wanted := []specs.ContainerState{specs.StateCreated, specs.StateRunning}
	if !pause {
		wanted = []specs.ContainerState{StatePaused}
	}
	c, err := live(root, id, append(withProcesses, specs.StateStopped)...)
	if err != nil {
		return err
	}
	if !slices.Contains(wanted, c.Status) {
		return fmt.Errorf("container %s is %s: want one that is %s", id, c.Status, wanted[len(wanted)-1])
	}
	return c.Cgroup.Freeze(pause)
}

// Update changes limits. What the resources leave out stays as it is.
func Update(root, id string, resources *specs.LinuxResources) error {
	c, err := live(root, id, withProcesses...)
	if err != nil {
		return err
	}
	return c.Cgroup.Set(resources)
}

// Stats returns the cgroup of a container that has processes, to count what they take.
func Stats(root, id string) (*cgroup.Cgroup, error) {
	c, err := live(root, id, withProcesses...)
	if err != nil {
		return nil, err
	}
	return c.Cgroup, nil
}

// Glance returns the state of a container without its lock, which others may have for long.
func Glance(root, id string) (*State, error) {
	c, err := unlocked(root, id)
	if err != nil {
		return nil, err
	}
	if err := c.look(); err != nil {
		return nil, err
	}
	return &c.State, nil
}

// look is glance for a container that has to be there.
func (c *Container) look() error {
	err := c.glance()
	if errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("container %s %w (those that do: final list)", filepath.Base(c.dir), errNotThere)
	}
	return err
}
