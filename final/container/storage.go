//go:build linux

package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"container-workshop/final/owned"
	"container-workshop/final/rootfs"
)

// Storage is where what containers write is: their overlays and logs, in a directory with the ID of each.
const Storage = "/var/lib/container-workshop/containers"

// storage is the directory of the container there. It is not in the state: what is removed must not depend on what a file says.
func (c *Container) storage() string { return filepath.Join(Storage, c.ID) }

// openStorage opens the directory of all, and makes it if it is not there.
func openStorage() (int, error) {
	fd, err := owned.OpenShared(Storage)
	if errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(Storage, 0o711); err != nil {
			return -1, err
		}
		fd, err = owned.OpenShared(Storage)
	}
	if err != nil {
		return -1, fmt.Errorf("the storage of containers is not safe: %w", err)
	}
	return fd, nil
}

// openOwn opens the directory of the container there.
func (c *Container) openOwn() (int, error) {
	storage, err := openStorage()
	if err != nil {
		return -1, err
	}
	defer unix.Close(storage)
	return owned.Below(storage, c.ID)
}

// takeStorage refuses the storage of a container of the same ID whose state is elsewhere.
func (r *Run) takeStorage(root string) error {
	if !r.request.Overlay {
		return nil
	}
	storage, err := openStorage()
	if err != nil {
		return err
	}
	defer unix.Close(storage)
	dir, err := owned.Below(storage, r.request.ID)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	other, err := owned.ReadFile(dir, "root")
	if err != nil || string(other) == root {
		return nil
	}
	if _, err := os.Lstat(filepath.Join(string(other), r.request.ID)); err == nil {
		return fmt.Errorf("container %s already exists under --root %s: choose another ID", r.request.ID, other)
	}
	return nil
}

func (r *Run) makeOverlay() error {
	if !r.request.Overlay {
		return nil
	}
	storage, err := openStorage()
	if err != nil {
		return err
	}
	defer unix.Close(storage)
	if err := rootfs.MakeOverlayDir(r.request.Root, storage, r.ID); err != nil {
		return fmt.Errorf("create the overlay in %s: %w", Storage, err)
	}
	// Where the state is: another --root may have a container with the same ID. See takeStorage.
	if err := os.WriteFile(filepath.Join(r.storage(), "root"), []byte(filepath.Dir(r.dir)), 0o600); err != nil {
		return err
	}
	return r.writeFiles()
}

// FilesDir is where the files of a request are, for bind mounts. The container may write to them, so they are where all is that it
// writes, and not with its state: that is in memory, which the host needs.
func FilesDir(id string) string { return filepath.Join(Storage, id, "files") }

func (r *Run) writeFiles() error {
	if len(r.request.Files) == 0 {
		return nil
	}
	dir := FilesDir(r.ID)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for name, content := range r.request.Files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// removeOverlay removes what the container has written.
func (c *Container) removeOverlay() error {
	if !c.Overlaid {
		return nil
	}
	storage, err := openStorage()
	if err != nil {
		return err
	}
	defer unix.Close(storage)
	if err := rootfs.RemoveOverlayDir(storage, c.ID); err != nil {
		return fmt.Errorf("remove the files that the container has written, in %s: %w", Storage, err)
	}
	return nil
}
