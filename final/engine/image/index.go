//go:build linux

package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// annotationName is where an index of a layout keeps the name of an image.
const annotationName = "org.opencontainers.image.ref.name"

// An Entry is an image of the store. An image has an entry for each of its names, or one without a name.
type Entry struct {
	Name     string
	Manifest Descriptor
}

// List returns all images of the store, in the order of their names.
func (s *Store) List() ([]Entry, error) {
	var index Manifest
	if err := readJSON(s.path("index.json"), &index); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var all []Entry
	for _, d := range index.Manifests {
		if err := CheckDigest(d.Digest); err != nil {
			return nil, fmt.Errorf("%s: %w", s.path("index.json"), err)
		}
		name := d.Annotations[annotationName]
		d.Annotations = nil
		all = append(all, Entry{name, d})
	}
	slices.SortFunc(all, func(a, b Entry) int { return strings.Compare(a.Name+a.Manifest.Digest, b.Name+b.Manifest.Digest) })
	return all, nil
}

// Name gives names to the image of a manifest that is in the store. A name of another image moves. Without names the image gets an entry
// that has none.
func (s *Store) Name(manifest Descriptor, names ...string) error {
	manifest.Annotations, manifest.Platform = nil, nil
	return s.change(func(all []Entry) ([]Entry, error) {
		all = slices.DeleteFunc(all, func(e Entry) bool {
			return slices.Contains(names, e.Name) || e.Name == "" && e.Manifest.Digest == manifest.Digest
		})
		if len(names) == 0 && !slices.ContainsFunc(all, func(e Entry) bool { return e.Manifest.Digest == manifest.Digest }) {
			names = []string{""}
		}
		for _, name := range names {
			all = append(all, Entry{name, manifest})
		}
		return all, nil
	})
}

// change changes the list of images. Only one process at a time changes it.
func (s *Store) change(do func([]Entry) ([]Entry, error)) error {
	lock, err := s.lock("index.lock", unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	all, err := s.List()
	if err != nil {
		return err
	}
	if all, err = do(all); err != nil {
		return err
	}
	index := Manifest{SchemaVersion: 2, MediaType: TypeIndex, Manifests: []Descriptor{}}
	for _, e := range all {
		if e.Name != "" {
			e.Manifest.Annotations = map[string]string{annotationName: e.Name}
		}
		index.Manifests = append(index.Manifests, e.Manifest)
	}
	content, err := json.Marshal(index)
	if err != nil {
		return err
	}
	return s.write("index.json", content)
}

// ErrUnknown is the error of a name that no image has.
var ErrUnknown = errors.New("no such image")

// Find returns the entries that somebody means by a name or by the beginning of an ID, which is a manifest's digest. A name is one entry,
// and an ID is all entries of its image.
func (s *Store) Find(name string) ([]Entry, error) {
	all, err := s.List()
	if err != nil {
		return nil, err
	}
	r, parsed := ParseReference(name, DefaultRegistry)
	hex := strings.TrimPrefix(name, "sha256:")
	// An archive may give its image a name that is the whole ID of another image. So a whole ID never means a name.
	whole := CheckDigest("sha256:"+hex) == nil
	for _, e := range all {
		if parsed == nil && !whole && e.Name == r.String() {
			return []Entry{e}, nil
		}
	}
	var found []Entry
	for _, e := range all {
		// Fewer digits than four are more likely a slip.
		if len(hex) >= 4 && strings.HasPrefix(Hex(e.Manifest.Digest), hex) || parsed == nil && r.Digest == e.Manifest.Digest && strings.HasPrefix(e.Name, r.Name()+":") {
			found = append(found, e)
		}
	}
	for _, e := range found {
		if e.Manifest.Digest != found[0].Manifest.Digest {
			return nil, fmt.Errorf("image %s: more than one ID begins with it (write more of its digits: final images)", name)
		}
	}
	switch {
	case len(found) > 0:
		return found, nil
	case whole, parsed != nil && len(hex) != len(name):
		return nil, fmt.Errorf("image %s: %w", name, ErrUnknown)
	case parsed != nil:
		return nil, parsed
	}
	return nil, fmt.Errorf("image %s: %w (final pull %[1]s, or final images)", r, ErrUnknown)
}
