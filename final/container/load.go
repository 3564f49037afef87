//go:build linux

package container

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/opencontainers/runtime-spec/specs-go"

	"container-workshop/final/alive"
	"container-workshop/final/cgroup"
	"container-workshop/final/owned"
	"container-workshop/final/quick"
	"container-workshop/final/spec"
)

// load reads the state, and loses it if it is missing or broken.
func (c *Container) load(dir int) error {
	content, err := owned.ReadFile(dir, "state.json")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return c.disbelieved(err)
	}
	if err == nil {
		err = c.decode(content)
	}
	if err != nil {
		c.lose(err)
		return nil
	}
	c.unborn = c.Pid == c.Maker
	c.Status = c.statusNow()
	if c.Status == specs.StateStopped {
		c.Pid = 0
	}
	return nil
}

// decode refuses a state that this program cannot have written.
func (c *Container) decode(content []byte) error {
	if err := quick.Unmarshal(content, &c.State); err != nil {
		return fmt.Errorf("state.json: %w", err)
	}
	if c.ID != filepath.Base(c.dir) {
		return fmt.Errorf("state.json belongs to a container %q", c.ID)
	}
	switch {
	case c.Cgroup != nil:
		return c.Cgroup.Check()
	case c.Status != specs.StateCreating && c.Status != specs.StateStopped:
		return fmt.Errorf("state.json names no cgroup, but says that the container is %s", c.Status)
	}
	return nil
}

// lose is for a state that is missing or broken. The ID and the configuration still lead to the cgroup with its processes, and to the
// storage: so the container can be removed.
func (c *Container) lose(why error) {
	id := filepath.Base(c.dir)
	c.State = State{Public: Public{ID: id, Status: specs.StateStopped}}
	c.lost = fmt.Errorf("the state of container %s is lost: %w (delete it: final delete --force %s)", id, why, id)
	// Release looks whether there is anything for this ID.
	c.Stored = true
	if c.Cgroup, c.unfound = c.findCgroup(); c.unfound != nil {
		c.unfound = fmt.Errorf("the state of container %s is lost, and final cannot find its processes: %w (end the processes, then remove %s)", id, c.unfound, c.dir)
		return
	}
	if c.Cgroup == nil {
		return
	}
	if pids, err := c.Cgroup.Procs(); err != nil || len(pids) > 0 {
		c.Status = specs.StateRunning
	}
}

// findCgroup returns nil if there is none.
func (c *Container) findCgroup() (*cgroup.Cgroup, error) {
	config, err := c.Spec()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// A bundle has its config.json before its first process. The engine's run writes it later, but always uses the same cgroup for an
		// ID.
		return cgroup.Find(spec.CgroupsPath(c.ID), c.ID, nil)
	case err != nil:
		return nil, fmt.Errorf("config.json: %w", err)
	}
	return cgroup.Find(config.Linux.CgroupsPath, c.ID, config.Linux.Resources)
}

// IsAlive reports whether process 1 exists, is the process that we started, and has not ended.
func (c *Container) IsAlive() bool { return alive.Is(c.Pid, c.Started) }

// OwnStart is when this process started: see [alive.Started].
var OwnStart = sync.OnceValue(func() string {
	started, _ := alive.Started(os.Getpid())
	return started
})
