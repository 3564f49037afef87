//go:build linux

package container

import (
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

	"container-workshop/final/alive"
	"container-workshop/final/cgroup"
	"container-workshop/final/owned"
	"container-workshop/final/rootless"
	"container-workshop/final/spec"
	"container-workshop/final/stage"
)

// A Store is a directory with the state of all containers, and what goes with it.
type Store struct {
	// Root is the directory of all state, by its absolute path.
	Root string
	// Warn gets one line about what went wrong but is no failure. Nil throws the line away.
	Warn func(message string)
	// Tell gets one line that whoever runs a container should know, even if nothing goes wrong. Nil throws the line away.
	Tell func(message string)
	// Asked gets the warnings about what the caller has asked for in so many words. Nil means Warn.
	Asked func(message string)
	// Release removes what an engine keeps for a container: see Request.Prepare. Store calls it with the lock of the container, just before
	// the state goes. Nil removes nothing.
	Release func(root, id string) error
	// Abandoned reports whether an engine keeps something for an ID that has no state any more, as after a restart of the host. It is an error
	// if a container goes on without its state. Without this function, no engine keeps anything.
	Abandoned func(root, id string) (bool, error)
	// Enter makes final begin again in the user namespace of a process of a container, or in a new one for 0: whoever opens the container has
	// no right to change it here. Nil for root.
	Enter func(pid int) error
	// Unplug takes a container out of the network that Request.Network has plugged it into. Store calls it when the command has ended, and
	// before Release. Nil does nothing.
	Unplug func(list *stage.List, root, id string) error
}

func (s *Store) warn(message string) {
	if s.Warn != nil {
		s.Warn(message)
	}
}

func (s *Store) asked(message string) {
	if s.Asked != nil {
		s.Asked(message)
		return
	}
	s.warn(message)
}

func (s *Store) tell(message string) {
	if s.Tell != nil {
		s.Tell(message)
	}
}

// enter calls Enter for a container.
func (c *Container) enter() error {
	if c.store.Enter == nil {
		return nil
	}
	pid := 0
	if c.IsAlive() {
		pid = c.Pid
	}
	return c.store.Enter(pid)
}

// claim takes an ID. It makes the directory of the container under a name of our own, writes the state into it, and then renames it:
// whoever cleans up after us finds everything that it needs. If two processes want the same ID, rename(2) lets one of them win.
func (r *Run) claim(groups *cgroup.Cgroup) error {
	root := r.store.Root
	if err := r.store.makeRoot(); err != nil {
		return err
	}
	r.dir = filepath.Join(root, unnamed(os.Getpid(), OwnStart()))
	if err := os.Mkdir(r.dir, 0o700); err != nil {
		return err
	}
	if err := r.acquire(); err != nil {
		return err
	}
	pin, err := unix.Open(r.dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", r.dir, err)
	}
	r.pin = pin
	r.State = State{
		Public: Public{
			Version: specs.Version, ID: r.request.ID, Status: specs.StateCreating, Pid: os.Getpid(), Bundle: r.request.Bundle,
			Rootfs: r.request.Spec.Root.Path, Created: time.Now().UTC(), Annotations: r.request.Spec.Annotations, Owner: strconv.Itoa(rootless.UID()),
		},
		Started: OwnStart(), Maker: os.Getpid(), Command: r.request.Spec.Process.Args, Held: r.request.Held,
	}
	if err := r.save(); err != nil {
		return err
	}
	if err := r.rename(); err != nil {
		return err
	}
	if r.request.Claim != nil {
		if err := r.request.Claim(); err != nil {
			return err
		}
	}
	if err := groups.CheckFree(); err != nil {
		return err
	}
	// An earlier container with this ID is gone by now, and no other container uses these places. So whatever appears there from now on is
	// ours to remove.
	r.Cgroup, r.Stored = groups.Planned(), r.request.Prepare != nil
	return r.save()
}

// makeRoot makes the directory of all state. It makes nothing below a path that somebody else can change.
func (s *Store) makeRoot() error {
	fd, err := openRoot(s.Root)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(s.Root, 0o700); err != nil {
			return fmt.Errorf("--root: %w", err)
		}
		fd, err = openRoot(s.Root)
	}
	unix.Close(fd)
	return err
}

// unnamed is the name of the directory of a container that has no ID yet. No container can have this name, because IDs do not start with a
// dot.
func unnamed(maker int, started string) string { return fmt.Sprintf(".%d.%s", maker, started) }

// sweep removes the unnamed directories of processes that somebody killed, together with their guards, before they could take an ID. Such a
// process has left nothing else. Delete sweeps, and claim does not: it would take longer the more containers there are.
func sweep(root string) error {
	dir, err := openRoot(root)
	if err != nil {
		return err
	}
	file := os.NewFile(uintptr(dir), root)
	defer file.Close()
	names, _ := file.Readdirnames(-1)
	for _, name := range names {
		fields := strings.Split(name, ".")
		if len(fields) != 3 || fields[0] != "" {
			continue
		}
		maker, err := strconv.Atoi(fields[1])
		if started, _ := alive.Started(maker); err == nil && started != fields[2] {
			_ = owned.Remove(dir, name)
		}
	}
	return nil
}

// openRoot opens the directory of all state. Whoever can write there can make root run hooks of their choice.
func openRoot(root string) (int, error) {
	fd, err := owned.Open(root)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("--root %s is not safe: %w", root, err)
	}
	return fd, err
}

// removeDir removes a directory in the root of all state.
func removeDir(root, name string) error {
	dir, err := openRoot(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	return owned.Remove(dir, name)
}

// rename gives the directory its ID. It first removes a container that a killed run has left under this ID.
func (r *Run) rename() error {
	dir := filepath.Join(r.store.Root, r.request.ID)
	err := unix.Renameat2(unix.AT_FDCWD, r.dir, unix.AT_FDCWD, dir, unix.RENAME_NOREPLACE)
	for tries := 0; errors.Is(err, unix.EEXIST) && tries < 100; tries++ {
		if err := r.store.removeStale(r.request.ID); err != nil && !errors.Is(err, errNotThere) {
			return err
		}
		err = unix.Renameat2(unix.AT_FDCWD, r.dir, unix.AT_FDCWD, dir, unix.RENAME_NOREPLACE)
	}
	if err != nil {
		return fmt.Errorf("rename %s to %s: %w", r.dir, dir, err)
	}
	r.dir = dir
	return nil
}

func (s *Store) removeStale(id string) error {
	c, err := s.Open(id)
	if err != nil {
		return err
	}
	defer c.Close()
	if c.unfound != nil {
		return c.unfound
	}
	if c.Status != specs.StateStopped || c.Keep || c.Bundle != "" {
		return fmt.Errorf("container %s already exists, and is %s (delete it: final delete --force %s)", id, c.Status, id)
	}
	return c.remove(new(stage.List))
}

// userName returns the name of a user, or the user ID if there is no name.
func userName(id string) string {
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

// List returns the state of all containers, sorted by ID. It leaves out containers that disappear meanwhile.
func (s *Store) List() ([]State, error) {
	fd, err := openRoot(s.Root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	unix.Close(fd)
	entries, err := os.ReadDir(s.Root)
	if err != nil {
		return nil, err
	}
	var all []State
	for _, entry := range entries {
		if spec.ValidateID(entry.Name()) != nil {
			continue
		}
		c := &Container{store: s, dir: filepath.Join(s.Root, entry.Name()), lock: -1}
		if c.glance() == nil {
			c.Owner = userName(c.Owner)
			all = append(all, c.State)
		}
	}
	return all, nil
}
