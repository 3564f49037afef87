//go:build linux

package change

import (
	"fmt"
	"maps"
	"path"
	"slices"

	"container-workshop/final/engine/image"
)

// List lists the changes, sorted by path. A directory with a change in it has changed itself, as for Docker. Of a directory that was deleted
// or replaced only the directory is listed.
func (t *Tree) List() ([]image.Change, error) {
	kinds := map[string]string{}
	err := t.walk(false, func(f *file) error {
		kind := image.Changed
		switch {
		case f.path == "/":
			return nil
		case f.fd < 0:
			kind = image.Deleted
		case f.lower < 0:
			kind = image.Added
		default:
			same, err := t.same(f)
			if err != nil {
				return fmt.Errorf("compare %q: %w", shortened(f.path), err)
			}
			if same {
				return nil
			}
		}
		kinds[f.path] = kind
		for dir := path.Dir(f.path); dir != "/" && kinds[dir] == ""; dir = path.Dir(dir) {
			kinds[dir] = image.Changed
		}
		return nil
	})
	var changes []image.Change
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		changes = append(changes, image.Change{Kind: kinds[name], Path: []byte(name)})
	}
	return changes, err
}
