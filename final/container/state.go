//go:build linux

package container

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/become"
	"container-workshop/final/cgroup"
	"container-workshop/final/owned"
	"container-workshop/final/quick"
	"container-workshop/final/spec"
)

// DefaultRoot has the state of containers. A restart of the host clears it, and ends the containers.
const DefaultRoot = "/run/container-workshop"

// Public is the part of the state that others read. They know this order of the fields. runtime.md, "State"
type Public struct {
	Version string `json:"ociVersion"`
	ID      string `json:"id"`
	// Pid is the PID of process 1 on the host, of the maker before process 1 exists, and 0 after its end.
	Pid int `json:"pid"`
	// Status is creating, created, running, paused or stopped. The file has the last status that somebody wrote: load asks the kernel.
	Status      specs.ContainerState `json:"status"`
	Bundle      string               `json:"bundle"`
	Rootfs      string               `json:"rootfs"`
	Created     time.Time            `json:"created"`
	Annotations map[string]string    `json:"annotations,omitempty"`
	// Owner is the name of the user who has made it. The file has the user ID: whoever asks for the name looks it up.
	Owner string `json:"owner"`
	// Exit is the exit status of the command, nil if it is not known.
	Exit *int `json:"exit,omitempty"`
}

// State is what one command of final leaves for the next, in state.json.
type State struct {
	Public

	// Started is the time at which process 1 started, in ticks since the host booted. It tells process 1 from a later process with the same
	// PID. proc_pid_stat(5)
	Started string `json:"started"`
	// Maker is the process that has made the container.
	Maker int `json:"maker"`
	// Command is what was run.
	Command []string `json:"command"`
	// Keep says that the container stays when its command ends, until it is deleted.
	Keep bool `json:"keep"`
	// Held says that the container was made by create: it waits for Start, or has waited.
	Held bool `json:"held,omitempty"`
	// Late has the words for what can fail when Start has given its word.
	Late []become.Late `json:"late,omitempty"`
	// Cgroup is where its processes are.
	Cgroup *cgroup.Cgroup `json:"cgroup,omitempty"`
	// Stored says that an engine keeps something for the container: see Store.Release.
	Stored bool `json:"stored,omitempty"`
}

// A Container has a directory below the root of all state. It stays locked until Close, so no two commands change a container at the same
// time.
type Container struct {
	State
	store *Store
	dir   string
	lock  int
	// lost says why the state cannot be read. It is nil if it can.
	lost error
	// config is the configuration, if it is known already: see Spec.
	config *specs.Spec
	// unborn says that the maker was killed before it could write down who process 1 is.
	unborn bool
	// unfound says why even the processes of a container with a lost state cannot be found.
	unfound error
}

// glance reads the state without the lock, which another command may hold for long. It reads again if the container is just being removed.
func (c *Container) glance() error {
	fd, err := c.open()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for range 20 {
		if unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB) == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	for range 20 {
		if err := c.load(fd); err != nil || c.Version != "" {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}

var errNotThere = errors.New("does not exist")

// unlocked returns the container with an ID, without a look whether it exists.
func (s *Store) unlocked(id string) (*Container, error) {
	if err := spec.ValidateID(id); err != nil {
		return nil, err
	}
	fd, err := openRoot(s.Root)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	unix.Close(fd)
	return &Container{store: s, dir: filepath.Join(s.Root, id), lock: -1}, nil
}

// Open returns an existing container, locked.
func (s *Store) Open(id string) (*Container, error) {
	c, err := s.unlocked(id)
	if err != nil {
		return nil, err
	}
	if err := c.acquire(); err != nil {
		return nil, err
	}
	err = c.load(c.lock)
	if err == nil {
		err = c.enter()
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// open opens the directory of the container, and checks that nobody else could have written to it.
func (c *Container) open() (int, error) {
	fd, err := unix.Open(c.dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", c.dir, err)
	}
	if err := owned.Check(fd, c.dir); err != nil {
		unix.Close(fd)
		return -1, c.disbelieved(err)
	}
	return fd, nil
}

// disbelieved says what to do about files that somebody else may have written.
func (c *Container) disbelieved(err error) error {
	return fmt.Errorf("final does not trust the contents of %s: %w (remove the directory, unless it belongs to a container of yours)", c.dir, err)
}

// acquire waits for the lock. Meanwhile somebody may have removed the directory and made it again: then it waits for the lock of the new
// directory.
func (c *Container) acquire() error {
	for {
		fd, err := c.open()
		if errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("container %s %w (final list shows those that do)", filepath.Base(c.dir), errNotThere)
		}
		if err != nil {
			return err
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

// StatePaused is the status of a container whose processes are frozen. The specification has no such status, but callers know the word from
// runc.
const StatePaused = specs.ContainerState("paused")

// statusNow asks the kernel where the kernel knows better than the file: whoever should have written the status may have been killed
// before.
func (c *Container) statusNow() specs.ContainerState {
	status := c.Status
	switch {
	case status == specs.StateStopped || !c.IsAlive():
		return specs.StateStopped
	// A create that was killed may have had nothing left to do but to write this down.
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

// save writes the state.
func (c *Container) save() error { return c.write("state.json", &c.State) }

// write writes a value to a new file in the directory of the container, and then renames the new file to its name. If somebody kills us, or
// the disk is full, the old file stays whole. There is no need to wait for the disk: no container outlives the kernel of the host.
// rename(2)
func (c *Container) write(name string, value any) error {
	content, err := quick.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	partial := filepath.Join(c.dir, name+".new")
	if err := writeFile(partial, content); err != nil {
		return &fs.PathError{Op: "write", Path: partial, Err: err}
	}
	if err := unix.Rename(partial, filepath.Join(c.dir, name)); err != nil {
		return &fs.PathError{Op: "rename", Path: partial, Err: err}
	}
	return nil
}

// writeFile is os.WriteFile, without the six calls that ask epoll(7) about the file. final writes five files for a container.
func writeFile(name string, content []byte) error {
	fd, err := unix.Open(name, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for len(content) > 0 {
		n, err := unix.Write(fd, content)
		if err != nil && err != unix.EINTR {
			return err
		}
		content = content[max(n, 0):]
	}
	return nil
}

// Spec returns the configuration of the container. The caller does not change it.
func (c *Container) Spec() (*specs.Spec, error) {
	if c.config != nil {
		return c.config, nil
	}
	dir, err := c.open()
	if err != nil {
		return nil, err
	}
	defer unix.Close(dir)
	content, err := owned.ReadFile(dir, "config.json")
	if err != nil {
		return nil, fmt.Errorf("the configuration in %s: %w", c.dir, err)
	}
	config, err := spec.Load(bytes.NewReader(content))
	if err == nil && (config.Process == nil || config.Linux == nil) {
		err = fmt.Errorf("the configuration in %s lacks process or linux", c.dir)
	}
	if err != nil {
		return nil, err
	}
	c.config = config
	return config, nil
}
