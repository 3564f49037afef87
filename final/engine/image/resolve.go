//go:build linux

package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"container-workshop/final/owned"
)

// An Image is an image that can be run.
type Image struct {
	// Name is empty if the image has none. Digest is that of the manifest.
	Name, Digest string
	Manifest     Manifest
	Config       Config
	// Layers are the directories of the unpacked layers, the bottom one first.
	Layers []string
}

// Resolve finds an image by its name or ID. The image may vanish afterwards: who runs it calls Use.
func (s *Store) Resolve(name string) (*Image, error) {
	found, err := s.Find(name)
	if err != nil {
		return nil, err
	}
	image, err := s.Read(found[0].Manifest.Digest)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", name, err)
	}
	image.Name = found[0].Name
	return image, nil
}

// Read reads the documents of an image in the store by the digest of its manifest.
func (s *Store) Read(digest string) (*Image, error) {
	image := &Image{Digest: digest}
	if err := readJSON(s.Blob(digest), &image.Manifest); err != nil {
		return nil, err
	}
	if image.Manifest.Config == nil {
		return nil, fmt.Errorf("%s is no manifest of an image", s.Blob(digest))
	}
	if err := CheckDigest(image.Manifest.Config.Digest); err != nil {
		return nil, err
	}
	if err := readJSON(s.Blob(image.Manifest.Config.Digest), &image.Config); err != nil {
		return nil, err
	}
	var chainIDs []string
	if err := readJSON(s.path(unpacked(digest)), &chainIDs); err != nil {
		return nil, err
	}
	for _, chainID := range chainIDs {
		if err := CheckDigest(chainID); err != nil {
			return nil, err
		}
		image.Layers = append(image.Layers, s.Layer(chainID))
	}
	return image, nil
}

func unpacked(digest string) string { return filepath.Join("unpacked", Hex(digest)) }

// SetUnpacked notes the chain IDs of an image whose layers are unpacked, the bottom layer first.
func (s *Store) SetUnpacked(digest string, chainIDs []string) error {
	content, err := json.Marshal(chainIDs)
	if err != nil {
		return err
	}
	return s.write(unpacked(digest), content)
}

// usedName is the file in the storage of a container that says which image the container uses. The file goes when the container goes.
const usedName = "image"

// Use is Resolve for a container: no garbage collection removes the image as long as the container's storage exists, which is the open
// directory.
func (s *Store) Use(dir int, name string) (*Image, error) {
	lock, err := s.Share()
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()
	image, err := s.Resolve(name)
	if err != nil {
		return nil, err
	}
	for _, layer := range image.Layers {
		if _, err := os.Stat(layer); err != nil {
			return nil, fmt.Errorf("image %s is not complete: %w (final pull %[1]s)", name, err)
		}
	}
	content, err := json.Marshal(image.Digest)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Openat(dir, usedName, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, &os.PathError{Op: "create", Path: usedName, Err: err}
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, content); err != nil {
		return nil, &os.PathError{Op: "write", Path: usedName, Err: err}
	}
	return image, nil
}

// Used returns the digests of the manifests that containers use, each with a container. The state of a container is there before its storage
// and until the storage is gone.
func (s *Store) Used() (map[string]string, error) {
	used := map[string]string{}
	storage, err := owned.OpenShared(filepath.Join(s.Home, "containers"))
	if errors.Is(err, os.ErrNotExist) {
		return used, nil
	}
	if err != nil {
		return nil, err
	}
	defer unix.Close(storage)
	entries, err := os.ReadDir(filepath.Join(s.Home, "containers"))
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		digest, err := usedBy(storage, entry.Name())
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("find the image of container %s: %w", entry.Name(), err)
		}
		used[digest] = "container " + entry.Name()
	}
	return used, nil
}

func usedBy(storage int, id string) (digest string, err error) {
	dir, err := owned.Below(storage, id)
	if err != nil {
		return "", err
	}
	defer unix.Close(dir)
	// A restart of the host ends a container and removes its state. The storage stays until delete, prune, or the next container with this ID.
	if root, err := owned.ReadFile(dir, "root"); err == nil && len(root) > 0 {
		if _, err := os.Lstat(filepath.Join(string(root), id)); errors.Is(err, os.ErrNotExist) {
			if _, busy := Busy(dir); !busy {
				return "", err
			}
		}
	}
	return UsedIn(dir)
}

// UsedIn returns the digest of the image of a container by its open storage. The error of a container without an image is [os.ErrNotExist].
func UsedIn(dir int) (digest string, err error) {
	content, err := owned.ReadFile(dir, usedName)
	if err == nil && len(content) == 0 {
		// A power failure empties files that were written shortly before, and final may have been killed in Use. So this container runs no more.
		return "", os.ErrNotExist
	}
	if err == nil {
		err = json.Unmarshal(content, &digest)
	}
	if err == nil {
		err = CheckDigest(digest)
	}
	return digest, err
}
