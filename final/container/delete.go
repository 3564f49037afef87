//go:build linux

package container

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/stage"
)

// Delete removes a container that has ended or was never started. With force it kills a running container first, and it is no error if
// there is none.
func (s *Store) Delete(id string, force bool) error {
	if err := sweep(s.Root); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	c, err := s.Open(id)
	if errors.Is(err, errNotThere) {
		c, err = s.adopt(id, err)
	}
	if force && errors.Is(err, errNotThere) {
		return nil
	}
	if err != nil {
		return err
	}
	defer c.Close()
	if c.unfound != nil {
		return c.unfound
	}
	if c.Status != specs.StateStopped && c.Status != specs.StateCreated && !force {
		return fmt.Errorf("container %s is %s (end it first with final kill %s KILL, or use final delete --force %s)", id, c.Status, id, id)
	}
	if err := c.end(); err != nil {
		return err
	}
	return c.remove(new(stage.List))
}

// adopt opens a container whose state is gone, if an engine still keeps something for the ID: as a container whose state is lost. If there is
// nothing, adopt returns the error notThere.
func (s *Store) adopt(id string, notThere error) (*Container, error) {
	if s.Abandoned == nil {
		return nil, notThere
	}
	found, err := s.Abandoned(s.Root, id)
	if err != nil || !found {
		return nil, cmp.Or(err, notThere)
	}
	if err := s.makeRoot(); err != nil {
		return nil, err
	}
	// From now on nobody else can take the ID.
	if err := os.Mkdir(filepath.Join(s.Root, id), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return s.Open(id)
}

// CleanUp removes what a killed process has left of the container that it made. It leaves another container with the same ID alone.
func (s *Store) CleanUp(id string, maker int, started string) error {
	err := removeDir(s.Root, unnamed(maker, started))
	c, openErr := s.Open(id)
	if openErr != nil {
		// There is nothing left.
		return err
	}
	defer c.Close()
	if c.Maker != maker {
		return err
	}
	return errors.Join(err, c.end(), c.remove(new(stage.List)))
}

// end kills process 1, and waits for its end. The kernel kills the rest of the PID namespace with it.
func (c *Container) end() error {
	if c.Status == specs.StateStopped || c.Pid == c.Maker {
		return nil
	}
	pidfd, err := c.pidfd()
	if err != nil || pidfd == -1 {
		return err
	}
	defer unix.Close(pidfd)
	if err := unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill process %d: %w", c.Pid, err)
	}
	return c.waitEnd(pidfd)
}

// pidfd returns a descriptor of process 1, or -1 if process 1 has ended: a PID could belong to a later process. pidfd_open(2)
func (c *Container) pidfd() (int, error) {
	if c.lost != nil {
		return -1, c.lost
	}
	fd, err := unix.PidfdOpen(c.Pid, 0)
	if errors.Is(err, unix.ESRCH) || err == nil && !c.IsAlive() {
		unix.Close(fd)
		return -1, nil
	}
	if err != nil {
		return -1, fmt.Errorf("open process %d: %w", c.Pid, err)
	}
	return fd, nil
}

// endTimeout is how long the kernel gets to end what we have killed.
const endTimeout = 10 * time.Second

// waitEnd waits for the end of process 1, which ends after all other processes of its PID namespace. As long as one of them runs, it may
// freeze others in cgroups below the container's: so waitEnd thaws them again and again.
func (c *Container) waitEnd(pidfd int) error {
	for deadline := time.Now().Add(endTimeout); ; {
		if time.Now().After(deadline) {
			return fmt.Errorf("process %d was killed, but has not ended after %v", c.Pid, endTimeout)
		}
		c.thaw()
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, 100)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n > 0 {
			return err
		}
	}
}
