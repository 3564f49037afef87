//go:build linux

package engine

import (
	"errors"
	"fmt"
	"os"
	"os/signal"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/container"
	"container-workshop/final/engine/image"
	"container-workshop/final/helper/ask"
	"container-workshop/final/rootless"
	"container-workshop/final/stage"
)

// Changes are what a container has changed. The container stays locked until Close.
type Changes struct {
	container *container.Container
	question  image.Question
	upper     *os.File
	lower     *os.File
}

// OpenChanges opens the directory that a container writes to, and the root directory below it.
func OpenChanges(store *container.Store, id string) (*Changes, error) {
	c, err := store.Open(id)
	if err != nil {
		return nil, err
	}
	changes := &Changes{container: c}
	if err := changes.open(store.Root); err != nil {
		changes.Close()
		return nil, fmt.Errorf("container %s: %w", id, err)
	}
	return changes, nil
}

// Close lets others work at the container again.
func (c *Changes) Close() {
	c.container.Close()
	// Both are nil if open has failed. To close a nil file does nothing.
	c.upper.Close()
	c.lower.Close()
}

func (c *Changes) open(root string) error {
	if !c.container.Stored {
		return errors.New("final does not keep its files: they are in the bundle of whoever made the container")
	}
	dir, err := openDirectory(c.container.ID)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	if other := storedFor(dir); other != root {
		return fmt.Errorf("its storage belongs to --root %s", other)
	}
	config, err := c.container.Spec()
	if err != nil {
		return err
	}
	c.question = image.Question{Home: Home(), User: rootless.Is()}
	for _, m := range config.Mounts {
		c.question.Places = append(c.question.Places, m.Destination)
	}
	if unix.Faccessat(dir, fuseMark, unix.F_OK, 0) == nil {
		return errors.New("fuse-overlayfs has written its files, and final does not know how fuse-overlayfs marks deleted files (use Linux 5.11 or newer, or sudo)")
	}
	var work unix.Stat_t
	if err := unix.Fstatat(dir, "work", &work, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("stat its storage: %w", err)
	}
	if !c.question.User {
		// See makeOverlayDir. For --userns keep-id nothing changes owners on the way to the disk.
		c.question.UID, c.question.GID = work.Uid, work.Gid
	}
	upper, err := unix.Openat(dir, "upper", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open its upper directory: %w", err)
	}
	c.upper = os.NewFile(uintptr(upper), "upper directory")
	return c.openLower(dir, config)
}

// openLower opens the root directory below the upper directory.
func (c *Changes) openLower(dir int, config *specs.Spec) error {
	digest, err := image.UsedIn(dir)
	var lower *lower
	switch {
	case err == nil:
		lower, err = openUsed(digest)
	case errors.Is(err, os.ErrNotExist):
		lower, err = openRootfs(config.Root.Path)
	}
	if err != nil {
		return err
	}
	c.lower = os.NewFile(uintptr(lower.tree), "root directory")
	if lower.image != nil {
		c.question.Image = lower.image.Digest
	}
	return nil
}

// openUsed opens the image of a container by the digest of its manifest: the image may have lost its last name.
func openUsed(digest string) (*lower, error) {
	store, err := image.Open(Home())
	if err != nil {
		return nil, err
	}
	used, err := store.Read(digest)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", digest, err)
	}
	return openImage(used)
}

// List lists the changes, sorted by path.
func (c *Changes) List() (list []image.Change, err error) {
	err = ask.Helper(new(stage.List), "diff", &c.question, &list, c.upper, c.lower)
	return list, err
}

// Commit makes an image of the changes, and returns the digest of the image. The processes of the container stand still meanwhile if pause
// is true.
func (c *Changes) Commit(commit *image.Commit, pause bool) (digest string, err error) {
	if pause && (c.container.Status == specs.StateRunning || c.container.Status == specs.StateCreated) {
		thaw, failed := c.freeze()
		if failed != nil {
			return "", fmt.Errorf("pause container %s: %w (use --pause=false)", c.container.ID, failed)
		}
		defer func() { err = errors.Join(err, thaw()) }()
	}
	commit.Command = c.container.Command
	c.question.Commit = commit
	err = ask.Helper(new(stage.List), "commit", &c.question, &digest, c.upper, c.lower)
	return digest, err
}

// freeze stops all processes of the container, until thaw. A signal that ends final lets them go on first.
func (c *Changes) freeze() (thaw func() error, err error) {
	cgroup := c.container.Cgroup
	if cgroup == nil {
		return nil, errors.New("it has no cgroup")
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	thaw = func() error {
		signal.Stop(signals)
		err := cgroup.Freeze(false)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENODEV) {
			// Somebody has killed the container.
			err = nil
		}
		return err
	}
	go func() {
		sig := <-signals
		_ = thaw()
		os.Exit(128 + int(sig.(unix.Signal)))
	}()
	return thaw, cgroup.Freeze(true)
}
