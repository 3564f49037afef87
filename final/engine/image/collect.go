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

// Remove removes names from the store. What no other name and no container needs then goes with the next Collect.
func (s *Store) Remove(entries ...Entry) error {
	return s.change(func(all []Entry) ([]Entry, error) {
		return slices.DeleteFunc(all, func(e Entry) bool {
			return slices.ContainsFunc(entries, func(gone Entry) bool {
				return gone.Name == e.Name && gone.Manifest.Digest == e.Manifest.Digest
			})
		}), nil
	})
}

// Needed are the blobs and layers that images and containers need.
type Needed struct{ Blobs, Layers map[string]bool }

// Needs finds out what is needed, by following every name and every container. If anything on the way cannot be read, Needs fails: a
// garbage collection that guesses would remove what it cannot see.
func (s *Store) Needs() (*Needed, error) {
	all, err := s.List()
	if err != nil {
		return nil, err
	}
	used, err := s.Used()
	if err != nil {
		return nil, err
	}
	needed := &Needed{map[string]bool{}, map[string]bool{}}
	for _, e := range all {
		used[e.Manifest.Digest] = e.Name
	}
	for digest, name := range used {
		image, err := s.Read(digest)
		if err != nil {
			return nil, fmt.Errorf("what %s needs is not known: %w", name, err)
		}
		needed.Blobs[Hex(digest)], needed.Blobs[Hex(image.Manifest.Config.Digest)] = true, true
		for _, layer := range image.Manifest.Layers {
			needed.Blobs[Hex(layer.Digest)] = true
		}
		for _, diffID := range image.Config.RootFS.DiffIDs {
			needed.Layers[Hex(diffID)] = true
		}
	}
	return needed, nil
}

// Collect removes every blob and every layer that no image and no container needs, and whatever is left of broken pulls. It returns how many
// bytes of blobs it has removed. If others are at work on the images, it removes nothing and fails with Busy: whoever is last removes it all.
func (s *Store) Collect() (freed int64, err error) {
	lock, err := s.alone()
	if err != nil {
		return 0, err
	}
	defer lock.Unlock()
	needed, err := s.Needs()
	if err != nil {
		return 0, err
	}
	for _, place := range []struct {
		dir  string
		keep map[string]bool
	}{{"blobs/sha256", needed.Blobs}, {"layers", needed.Layers}, {"ingest", nil}} {
		size, err := s.clean(place.dir, place.keep)
		freed += size
		if err != nil {
			return freed, fmt.Errorf("remove what no image needs: %w", err)
		}
	}
	return freed, nil
}

// Left returns the files and directories that Collect would remove. They are relative to the directory of the store.
func (s *Store) Left() ([]string, error) {
	needed, err := s.Needs()
	if err != nil {
		return nil, err
	}
	var left []string
	for dir, keep := range map[string]map[string]bool{"blobs/sha256": needed.Blobs, "layers": needed.Layers, "ingest": nil} {
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
