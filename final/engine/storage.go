//go:build linux

package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"container-workshop/final/alive"
	"container-workshop/final/engine/ids"
	"container-workshop/final/engine/image"
	"container-workshop/final/owned"
	"container-workshop/final/rootless"
	"container-workshop/final/spec"
)

// Home is the directory of all that final keeps on the disk for the user who runs it.
func Home() string {
	if rootless.Is() {
		return rootless.Home()
	}
	return "/var/lib/container-workshop"
}

// Storage has a directory for each container, named by its ID, with what the container writes: overlay, files and log.
func Storage() string { return filepath.Join(Home(), "containers") }

// directory is the directory of a container. It is not in the state of the container: no file decides what is removed.
func directory(id string) string { return filepath.Join(Storage(), id) }

// openStorage opens the directory of all containers, and makes it if it is missing.
func openStorage() (int, error) {
	fd, err := existingStorage()
	if errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(Storage(), 0o711); err != nil {
			return -1, err
		}
		fd, err = existingStorage()
	}
	return fd, err
}

// existingStorage opens the directory of all containers, and makes nothing: whoever only looks may have no place for the directory.
func existingStorage() (int, error) {
	fd, err := owned.OpenShared(Storage())
	if err != nil {
		return -1, fmt.Errorf("the storage of containers is not safe: %w", err)
	}
	return fd, nil
}

// openDirectory opens the directory of a container. The error is [os.ErrNotExist] if the container has none.
func openDirectory(id string) (int, error) {
	storage, err := existingStorage()
	if err != nil {
		return -1, err
	}
	defer unix.Close(storage)
	return owned.Below(storage, id)
}

// storedFor returns the --root that a directory in the storage belongs to. It is empty as long as nobody has written it.
func storedFor(dir int) string {
	root, err := owned.ReadFile(dir, "root")
	if err != nil {
		return ""
	}
	return string(root)
}

// checkStorage refuses an ID if a container under another --root has storage under the same ID.
func checkStorage(root, id string) error {
	dir, err := openDirectory(id)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	if other := storedFor(dir); other != "" && other != root {
		if _, err := os.Lstat(filepath.Join(other, id)); err == nil {
			return fmt.Errorf("container %s already exists under --root %s: choose another ID", id, other)
		}
	}
	return unused(dir, id)
}

// unused refuses the storage of a container that goes on without its state: somebody has removed the directory of all state, as the end of a
// session does with that of a user.
func unused(dir int, id string) error {
	first, busy := image.Busy(dir)
	if !busy {
		return nil
	}
	if first == 0 {
		return fmt.Errorf("container %s goes on, though its state is gone (end its command, or choose another ID)", id)
	}
	return fmt.Errorf("container %s goes on, though its state is gone: process %d uses its files (end its command: kill -KILL %[2]d)", id, first)
}

// noteFirst writes down process 1 of a container, for image.Busy.
func noteFirst(id string, pid int) error {
	return os.WriteFile(filepath.Join(directory(id), image.First), alive.Note(pid), 0o600)
}

// Abandoned reports whether there is storage for an ID that has no state under root: a restart of the host has ended the container. See
// [container.Store].
func Abandoned(root, id string) (bool, error) {
	if err := spec.ValidateID(id); err != nil {
		return false, err
	}
	dir, err := openDirectory(id)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer unix.Close(dir)
	if of := storedFor(dir); of != "" && of != root {
		return false, nil
	}
	if _, err := os.Lstat(filepath.Join(root, id)); err == nil {
		return false, nil
	}
	return true, unused(dir, id)
}

// AllAbandoned returns the IDs of all storage that is abandoned.
func AllAbandoned(root string) (ids []string, err error) {
	entries, err := os.ReadDir(Storage())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	for _, entry := range entries {
		// A container that goes on is no failure here.
		if found, err := Abandoned(root, entry.Name()); found && err == nil {
			ids = append(ids, entry.Name())
		}
	}
	return ids, nil
}

// makeStorage makes the directory of a container: for an overlay over the root file system, and for its files. own is where the IDs of the
// container begin on the host. The directory is locked as long as held is open: run ends with its container, and the monitor of a detached
// container locks the log, too.
func makeStorage(root, id string, lower *lower, own ids.Range, files map[string]string) (held int, err error) {
	if rootless.Is() {
		if err := rootless.ThisHost().NoStorage(Storage()); err != nil {
			return -1, err
		}
	}
	storage, err := openStorage()
	if err != nil {
		return -1, err
	}
	defer unix.Close(storage)
	if held, err = makeOverlayDir(lower.tree, own, storage, id); err != nil {
		return -1, fmt.Errorf("create the overlay in %s: %w", Storage(), err)
	}
	// See checkStorage.
	err = os.WriteFile(filepath.Join(directory(id), "root"), []byte(root), 0o600)
	if err == nil {
		err = lower.use(held, id)
	}
	if err == nil {
		err = writeFiles(id, files)
	}
	return held, err
}

// Release removes what the engine keeps for a container. If the storage belongs to a container with the same ID under another --root,
// Release leaves it alone.
func Release(root, id string) error {
	storage, err := existingStorage()
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(storage)
	dir, err := owned.Below(storage, id)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove the files that the container has written, in %s: %w", Storage(), err)
	}
	other := storedFor(dir)
	unix.Close(dir)
	if other != "" && other != root {
		return nil
	}
	if err := removeOverlayDir(storage, id); err != nil {
		return fmt.Errorf("remove the files that the container has written, in %s: %w", Storage(), err)
	}
	return nil
}
