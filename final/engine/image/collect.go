//go:build linux

package image

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"container-workshop/final/owned"
)

// Remove removes names from the store. The next Collect removes the files that no other name and no container needs.
func (s *Store) Remove(entries ...Entry) error {
	// The garbage collection removes files that are not complete, such as the next list of images.
	lock, err := s.Share()
	if err != nil {
		return err
	}
	defer lock.Unlock()
	return s.change(func(all []Entry) ([]Entry, error) {
		return slices.DeleteFunc(all, func(e Entry) bool {
			return slices.ContainsFunc(entries, func(gone Entry) bool {
				return gone.Name == e.Name && gone.Manifest.Digest == e.Manifest.Digest
			})
		}), nil
	})
}

// needs returns the names that each directory of the store has to keep, by following every name of an image and every container. If
// anything on the way cannot be read, needs fails: a garbage collection that guesses would remove what it cannot see.
func (s *Store) needs() (map[string]map[string]bool, error) {
	all, err := s.List()
	if err != nil {
		return nil, err
	}
	used, err := s.Used()
	if err != nil {
		return nil, err
	}
	blobs, layers, lists := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, e := range all {
		used[e.Manifest.Digest] = "image " + e.Name
	}
	for digest, name := range used {
		image, err := s.Read(digest)
		if err != nil {
			return nil, fmt.Errorf("%s is broken, so nobody knows what it needs: %w (remove it)", name, err)
		}
		lists[Hex(digest)], blobs[Hex(digest)], blobs[Hex(image.Manifest.Config.Digest)] = true, true, true
		for _, layer := range image.Manifest.Layers {
			blobs[Hex(layer.Digest)] = true
		}
		for _, layer := range image.Layers {
			layers[filepath.Base(layer)] = true
		}
	}
	return map[string]map[string]bool{"blobs/sha256": blobs, "layers": layers, "unpacked": lists, "ingest": nil}, nil
}

// Collect removes every blob and every layer that no image and no container needs, and whatever is left of broken pulls. It returns how many
// bytes of blobs it has removed. If others are at work on the images, it removes nothing and fails with ErrBusy: a later Collect removes it all.
func (s *Store) Collect() (freed int64, err error) {
	lock, err := s.alone()
	if err != nil {
		return 0, err
	}
	defer lock.Unlock()
	return s.collect()
}

func (s *Store) collect() (freed int64, err error) {
	needed, err := s.needs()
	if err != nil {
		return 0, err
	}
	for dir, keep := range needed {
		size, err := s.clean(dir, keep)
		freed += size
		if err != nil {
			return freed, fmt.Errorf("remove what no image needs: %w", err)
		}
	}
	return freed, nil
}

// Left returns the files and directories that Collect would remove. They are relative to the directory of the store.
func (s *Store) Left() ([]string, error) {
	needed, err := s.needs()
	if err != nil {
		return nil, err
	}
	var left []string
	for dir, keep := range needed {
		entries, err := os.ReadDir(s.path(dir))
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			if !keep[entry.Name()] {
				left = append(left, filepath.Join(dir, entry.Name()))
			}
		}
	}
	slices.Sort(left)
	return left, nil
}

func (s *Store) clean(name string, keep map[string]bool) (freed int64, err error) {
	dir, err := owned.Open(s.path(name))
	if err != nil {
		return 0, err
	}
	defer unix.Close(dir)
	entries, err := os.ReadDir(s.path(name))
	if err != nil {
		return 0, err
	}
	for _, entry := range entries {
		if keep[entry.Name()] {
			continue
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			freed += info.Size()
		}
		err = errors.Join(err, owned.Remove(dir, entry.Name()))
	}
	return freed, err
}
