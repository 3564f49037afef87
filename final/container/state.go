//go:build linux

package container

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/cgroup"
	"container-workshop/final/oci"
)

// DefaultRoot is where the state of containers is. It is gone after a restart of the host, as they are.
const DefaultRoot = "/run/container-workshop"

// Storage is where what containers write is: their overlays and logs.
const Storage = "/var/lib/container-workshop/containers"

// Public is what others are told of a container, in the order that they know. runtime.md, "State"
type Public struct {
	Version string `json:"ociVersion"`
	ID      string `json:"id"`
	// Pid is that of process 1, as the host sees it, or of the maker before there is one. 0 if it has ended.
	Pid int `json:"pid"`
	// Status is creating, created, running, paused or stopped. In the file it is what it was at last: see load.
	Status      specs.ContainerState `json:"status"`
	Bundle      string               `json:"bundle"`
	Rootfs      string               `json:"rootfs"`
	Created     time.Time            `json:"created"`
	Annotations map[string]string    `json:"annotations,omitempty"`
	// Owner is the name of the user who has made it.
	Owner string `json:"owner"`
	// Exit is the exit status of the command, nil if it is not known.
	Exit *int `json:"exit,omitempty"`
}

// State is what one command leaves for the next to find, in state.json.
type State struct {
	Public

	// Started tells process 1 from another with its number, in ticks since the host has started. proc_pid_stat(5)
	Started string `json:"started"`
	// Maker is the process that has made the container.
	Maker int `json:"maker"`
	// Command is what was run.
	Command []string `json:"command"`
	// Keep says that the container stays when its command ends, until it is deleted.
	Keep bool `json:"keep"`
	// Held says that it waits for Start, or has done so.
	Held bool `json:"held,omitempty"`
	// Cgroup is where its processes are.
	Cgroup *cgroup.Cgroup `json:"cgroup,omitempty"`
	// Overlay is where what it writes is.
	Overlay string `json:"overlay,omitempty"`
	// Log has the output of a detached container.
	Log string `json:"log,omitempty"`
}

// A Container is one that has a directory below the root of all state. It is locked as long as it is not closed, so that no
// two commands change the same container at once.
type Container struct {
	State
	dir  string
	lock int
}

// glance reads the state without the lock, as somebody may have it for long. What is just being written is read again.
func (c *Container) glance() error {
	fd, err := unix.Open(c.dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", c.dir, err)
	}
	defer unix.Close(fd)
	for range 20 {
		if unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB) == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	// It is written in moments, whoever has the lock.
	for range 20 {
		if err := c.load(); err != nil || c.Version != "" {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}

var errNotThere = errors.New("does not exist")

// unlocked returns a container by its ID, whether it is there or not.
func unlocked(root, id string) (*Container, error) {
	if err := oci.ValidateID(id); err != nil {
		return nil, err
	}
	return &Container{dir: filepath.Join(root, id), lock: -1}, nil
}

// Open returns a container that is there, locked.
func Open(root, id string) (*Container, error) {
	c, err := unlocked(root, id)
	if err != nil {
		return nil, err
	}
	if err := c.acquire(); err != nil {
		return nil, err
	}
	if err := c.load(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// acquire waits for the lock. The directory may have been removed and made again meanwhile: what is locked is to be what is
// there.
func (c *Container) acquire() error {
	for {
		fd, err := unix.Open(c.dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
		if errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("container %s %w (those that do: final list)", filepath.Base(c.dir), errNotThere)
		}
		if err != nil {
			return fmt.Errorf("open %s: %w", c.dir, err)
		}
		if err := lock(fd); err != nil {
			unix.Close(fd)
			return fmt.Errorf("lock %s: %w", c.dir, err)
		}
		var locked, there unix.Stat_t
		if unix.Fstat(fd, &locked) == nil && unix.Lstat(c.dir, &there) == nil && locked.Ino == there.Ino {
			c.lock = fd
			return nil
		}
		unix.Close(fd)
	}
}

func lock(fd int) error {
	for {
		if err := unix.Flock(fd, unix.LOCK_EX); err != unix.EINTR {
			return err
		}
	}
}

// Close gives the lock back.
func (c *Container) Close() {
	if c.lock != -1 {
		unix.Close(c.lock)
		c.lock = -1
	}
}

func (c *Container) load() error {
	content, err := os.ReadFile(filepath.Join(c.dir, "state.json"))
	if errors.Is(err, fs.ErrNotExist) {
		// Whoever made the directory has died before it could say more.
		c.State = State{Public: Public{ID: filepath.Base(c.dir), Status: specs.StateStopped}}
		return nil
	}
	if err != nil {
		return err
	}
	// What comes after it was longer before, and whoever wrote the new one was killed.
	if err := json.NewDecoder(bytes.NewReader(content)).Decode(&c.State); err != nil || c.ID != filepath.Base(c.dir) {
		c.State = State{Public: Public{ID: filepath.Base(c.dir), Status: specs.StateStopped}}
		return nil
	}
	c.Status = c.statusNow()
	if c.Status == specs.StateStopped {
		c.Pid = 0
	}
	return nil
}

// StatePaused is that of a container whose processes do not run for a while. It is none of the specification's, but a word that
// callers know.
const StatePaused = specs.ContainerState("paused")

// statusNow is what the kernel says, where it says something: whoever should have written it down may have been killed before.
func (c *Container) statusNow() specs.ContainerState {
	status := c.Status
	switch {
	case status == specs.StateStopped || !c.alive():
		return specs.StateStopped
	// Create may have been killed when it had only to write down that it is created.
	case c.Held && (status == specs.StateCreated || status == specs.StateCreating && c.hasBeenHeld()):
		status = specs.StateCreated
		if !c.isHeld() {
			status = specs.StateRunning
		}
	}
	if c.Cgroup != nil && (status == specs.StateRunning || status == specs.StateCreated) {
		if frozen, _ := c.Cgroup.Frozen(); frozen {
			return StatePaused
		}
	}
	return status
}

// save writes the state. Who reads it holds the lock, or reads it again if it is none (glance), so it is written in place: a new
// file each time would have to reach the disk before it takes the place of the old one.
func (c *Container) save() error {
	content, err := json.Marshal(&c.State)
	if err != nil {
		return fmt.Errorf("encode the state: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(c.dir, "state.json"), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(content, 0)
	return errors.Join(err, file.Truncate(int64(len(content))), file.Close())
}

// alive reports whether process 1 is there, is the one that was started, and has not ended.
func (c *Container) alive() bool {
	started, state := startTime(c.Pid)
	return c.Pid > 0 && started != "" && started == c.Started && state != "Z" && state != "X"
}

// startTime returns when a process was started, in ticks, and its state. proc_pid_stat(5)
func startTime(pid int) (started, state string) {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	// The name, in parentheses, can hold anything.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 20 {
		return "", ""
	}
	return fields[19], fields[0]
}

// Spec returns the configuration of the container.
func (c *Container) Spec() (*specs.Spec, error) {
	file, err := os.Open(filepath.Join(c.dir, "config.json"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return oci.Load(file)
}

// owner is the name of the user that we are, or the number of one without a name.
func owner() string {
	if u, err := user.LookupId(strconv.Itoa(unix.Getuid())); err == nil {
		return u.Username
	}
	return strconv.Itoa(unix.Getuid())
}

// List returns the state of all containers, by name. Those that go meanwhile are left out.
func List(root string) ([]State, error) {
	entries, err := os.ReadDir(root)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []State
	for _, entry := range entries {
		if oci.ValidateID(entry.Name()) != nil {
			continue
		}
		c := &Container{dir: filepath.Join(root, entry.Name()), lock: -1}
		if c.glance() == nil {
			all = append(all, c.State)
		}
	}
	return all, nil
}
