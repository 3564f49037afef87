//go:build linux

package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"container-workshop/final/cgroup"
	"container-workshop/final/owned"
	"container-workshop/final/spec"
)

// load reads the state, if it is there and whole.
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
	c.Status = c.statusNow()
	if c.Status == specs.StateStopped {
		c.Pid = 0
	}
	return nil
}

// decode refuses what this program cannot have written.
func (c *Container) decode(content []byte) error {
	if err := json.Unmarshal(content, &c.State); err != nil {
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

// lose is for a state that is not there, or broken. What the configuration and the ID name may still be there: the cgroup, with
// processes in it, and the storage. Then it can be removed.
func (c *Container) lose(why error) {
	id := filepath.Base(c.dir)
	c.State = State{Public: Public{ID: id, Status: specs.StateStopped}}
	c.lost = fmt.Errorf("the state of container %s is lost: %w (delete it: final delete --force %s)", id, why, id)
	// Release knows whether it has something for this ID.
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
		// That is written before a bundle has a process. Run writes it later, but the name of its cgroup is known.
		return cgroup.Find(spec.CgroupsPath(c.ID), c.ID, nil)
	case err != nil:
		return nil, fmt.Errorf("config.json: %w", err)
	}
	return cgroup.Find(config.Linux.CgroupsPath, c.ID, config.Linux.Resources)
}

// alive reports whether process 1 is there, is the one that was started, and has not ended.
func (c *Container) alive() bool {
	started, state := startTime(c.Pid)
	return c.Pid > 0 && started != "" && started == c.Started && state != "Z" && state != "X"
}

// startTime returns when a process was started, in ticks, and its state. A process whose first thread has ended is no zombie yet if it
// has other threads: then the state is R. proc_pid_stat(5)
func startTime(pid int) (started, state string) {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	// The name, in parentheses, can hold anything.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 20 {
		return "", ""
	}
	started, state = fields[19], fields[0]
	if threads, _ := strconv.Atoi(fields[17]); state == "Z" && threads > 1 {
		state = "R"
	}
	return started, state
}

// StartTime returns when a process was started, in ticks, which tells it from any other with its number.
func StartTime(pid int) string {
	started, _ := startTime(pid)
	return started
}
