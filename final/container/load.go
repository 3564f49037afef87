//go:build linux

package container

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

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
func (c *Container) IsAlive() bool {
	started, state := startTime(c.Pid)
	return c.Pid > 0 && started != "" && started == c.Started && state != "Z" && state != "X"
}

// startTime returns the time at which a process started, in ticks, and its state. A process whose first thread has ended is not a zombie as
// long as it has other threads: its state is R here. proc_pid_stat(5)
func startTime(pid int) (started, state string) {
	stat := readStat(pid)
	// The name of the program, in parentheses, can contain anything.
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

// readStat reads /proc/PID/stat, or nothing if the process is gone. The kernel writes the line at once. os.ReadFile would ask epoll(7) about
// the file, and final reads the line some ten times for a container.
func readStat(pid int) []byte {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/stat", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	line := make([]byte, 4096)
	n, err := unix.Read(fd, line)
	if err != nil {
		return nil
	}
	return line[:n]
}

// StartTime returns when a process was started, in ticks, which tells it from any other with its number.
func StartTime(pid int) string {
	started, _ := startTime(pid)
	return started
}

// OwnStart is the StartTime of this process.
var OwnStart = sync.OnceValue(func() string {
	return StartTime(os.Getpid())
})
