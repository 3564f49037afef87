//go:build linux

package ingest

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"container-workshop/final/engine/image"
)

// Verify reads every part of every image again, and returns a line for each fault: a part that is missing or has another content, and a
// file that no image needs. Nobody adds or removes images meanwhile, if nobody is at work already.
func Verify(store *image.Store) ([]string, error) {
	lock, err := store.Share()
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()
	entries, err := store.List()
	if err != nil {
		return nil, err
	}
	var wrong []string
	seen := map[string]bool{}
	for _, e := range entries {
		if seen[e.Manifest.Digest] {
			continue
		}
		seen[e.Manifest.Digest] = true
		for _, err := range verifyImage(store, e.Manifest, seen) {
			wrong = append(wrong, fmt.Sprintf("image %s: %v", cmp.Or(e.Name, e.Manifest.Digest), err))
		}
	}
	// What a broken image needs is not known.
	if len(wrong) == 0 {
		left, err := store.Left()
		if err != nil {
			return nil, err
		}
		for _, name := range left {
			wrong = append(wrong, name+": no image needs this")
		}
	}
	return wrong, nil
}

func verifyImage(store *image.Store, manifest image.Descriptor, seen map[string]bool) (wrong []error) {
	if err := verifyBlob(store, manifest); err != nil {
		return []error{err}
	}
	i, err := store.Read(manifest.Digest)
	if err != nil {
		return []error{err}
	}
	for _, d := range slices.Concat([]image.Descriptor{*i.Manifest.Config}, i.Manifest.Layers) {
		if seen[d.Digest] {
			continue
		}
		seen[d.Digest] = true
		if err := verifyBlob(store, d); err != nil {
			wrong = append(wrong, err)
		}
	}
	for _, layer := range i.Layers {
		if info, err := os.Lstat(layer); err != nil || !info.IsDir() {
			wrong = append(wrong, errors.Join(err, fmt.Errorf("%s: must be a directory with an unpacked layer", layer)))
		}
	}
	return wrong
}

func verifyBlob(store *image.Store, d image.Descriptor) error {
	file, err := os.Open(store.Blob(d.Digest))
	if err != nil {
		return err
	}
	defer file.Close()
	hash := sha256.New()
	n, err := io.Copy(hash, file)
	switch {
	case err != nil:
		return err
	case n != d.Size:
		return wrongSize(d, n)
	case Sum(hash) != d.Digest:
		return fmt.Errorf("%s has another content than its name promises", file.Name())
	}
	return nil
}
