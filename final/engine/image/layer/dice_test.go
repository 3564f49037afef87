//go:build linux

package layer

import (
	"archive/tar"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
)

// A dice makes random layers, and remembers what they show together, so that it can remove and replace what is there.
type dice struct {
	*rand.Rand
	// tree has the entry of each file that shows, by its path.
	tree map[string]entry
	// touched are the paths that the layer has had so far, and emitted are its entries.
	touched map[string]bool
	emitted []entry
	// linked are files with more than one name.
	linked map[string]bool
	// wild also makes what podman does not do as the specification says, or not at all: see judge_test.go.
	wild bool
}

// makeLayers makes random layers, the lowest first.
func makeLayers(seed uint64, wild bool) [][]entry {
	d := &dice{Rand: rand.New(rand.NewPCG(seed, 20)), tree: map[string]entry{}, linked: map[string]bool{}, wild: wild}
	layers := make([][]entry, 2+d.IntN(4))
	for i := range layers {
		d.touched, d.emitted = map[string]bool{}, []entry{folder(".")}
		for range 4 + d.IntN(14) {
			d.change()
		}
		layers[i] = d.emitted
	}
	return layers
}

// pick returns one of the files that show, of a type, or "" if there is none.
func (d *dice) pick(kind byte) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(d.tree)) {
		if d.tree[name].Typeflag == kind {
			all = append(all, name)
		}
	}
	if len(all) == 0 {
		return ""
	}
	return all[d.IntN(len(all))]
}

// place returns a path for a new file: in a directory that shows, or in the root directory.
func (d *dice) place() string {
	parent := ""
	if d.IntN(4) > 0 {
		parent = d.pick(tar.TypeDir)
	}
	return path.Join(parent, string("abcdef"[d.IntN(6)]))
}

func (d *dice) change() {
	switch d.IntN(14) {
	case 0, 1, 2:
		d.add(d.dressed(folder(d.place())))
	case 3, 4, 5, 6:
		d.add(d.dressed(file(d.place(), strings.Repeat("x", d.IntN(5000)))))
	case 7:
		d.add(symlink(d.place(), "../"+string("abcdef"[d.IntN(6)])).owned(d.IntN(3), 0o777))
	case 8:
		d.add(of(tar.TypeFifo, d.place(), "", "", 0o600))
	case 9:
		d.link()
	case 10, 11, 12:
		kind := []byte{tar.TypeReg, tar.TypeDir, tar.TypeSymlink}[d.IntN(3)]
		if name := d.pick(kind); name != "" {
			d.hide(name)
		}
	case 13:
		if name := d.pick(tar.TypeDir); name != "" {
			d.empty(name)
		}
	}
}

// dressed gives an entry random attributes.
func (d *dice) dressed(e entry) entry {
	e = e.owned(d.IntN(3)*1000, []int64{0o644, 0o755, 0o4755, 0o2711, 0o600, 0o1777}[d.IntN(6)])
	switch d.IntN(4) {
	case 0:
		e = e.with("SCHILY.xattr.user.note", fmt.Sprint(d.IntN(100)))
	case 1:
		if e.Typeflag == tar.TypeReg {
			e = e.with("SCHILY.xattr.security.capability", "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
		}
	}
	return e
}

// below are the paths that show in a directory.
func (d *dice) below(name string) (all []string) {
	for other := range d.tree {
		if strings.HasPrefix(other, name+"/") {
			all = append(all, other)
		}
	}
	return all
}

// fits reports whether the layer may still say something about a path: it speaks once of each, and not of what is in a file.
func (d *dice) fits(name string, kind byte) bool {
	old, exists := d.tree[name]
	if d.touched[name] || len(name) > 40 {
		return false
	}
	if exists && kind == tar.TypeDir && old.Typeflag == tar.TypeSymlink {
		// umoci keeps a link to a directory.
		return false
	}
	for _, other := range d.below(name) {
		if d.touched[other] && kind != tar.TypeDir {
			return false
		}
	}
	return true
}

// parents emits the directories of a path, as programs that build images do. A wild layer may leave them out.
func (d *dice) parents(name string) {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if !d.touched[dir] && (!d.wild || d.IntN(2) == 0) {
			d.touched[dir] = true
			e := d.tree[dir]
			d.parents(dir)
			d.emitted = append(d.emitted, e)
		}
	}
}

func (d *dice) add(e entry) {
	name := path.Clean(e.Name)
	if !d.fits(name, e.Typeflag) {
		return
	}
	d.parents(name)
	if e.Typeflag != tar.TypeDir || d.tree[name].Typeflag != tar.TypeDir {
		for _, other := range d.below(name) {
			delete(d.tree, other)
		}
	}
	d.touched[name] = true
	d.tree[name] = e
	delete(d.linked, name)
	d.emitted = append(d.emitted, e)
}

// link makes a hard link to a file of the same layer. In a wild layer the file may be further down. If that has several names already, only
// one of them gets the copy, as in overlay itself: so link leaves such files alone.
func (d *dice) link() {
	target, name := d.pick(tar.TypeReg), d.place()
	if target == "" || target == name || !d.touched[target] && (!d.wild || d.linked[target]) || !d.fits(name, tar.TypeLink) || strings.HasPrefix(target, name+"/") {
		return
	}
	e := d.tree[target]
	e.Typeflag, e.Name, e.Linkname, e.Size, e.body = tar.TypeLink, name, target, 0, ""
	d.add(e)
	d.touched[target] = true
	d.linked[name], d.linked[target] = true, true
	e.Typeflag = 'h'
	d.tree[name] = e
}

// hide removes a file by a whiteout. A wild layer may make a directory in its place.
func (d *dice) hide(name string) {
	if !d.fits(name, tar.TypeReg) {
		return
	}
	d.parents(name)
	was := d.tree[name]
	d.touched[name] = true
	delete(d.tree, name)
	for _, other := range d.below(name) {
		delete(d.tree, other)
	}
	d.emitted = append(d.emitted, file(path.Join(path.Dir(name), ".wh."+path.Base(name)), ""))
	if d.wild && was.Typeflag == tar.TypeDir && d.IntN(2) == 0 {
		d.tree[name] = d.dressed(folder(name))
		d.emitted = append(d.emitted, d.tree[name])
	}
}

// empty makes a directory opaque.
func (d *dice) empty(name string) {
	if !d.fits(name, tar.TypeReg) {
		return
	}
	d.parents(name)
	for _, other := range d.below(name) {
		delete(d.tree, other)
	}
	d.touched[name] = true
	d.emitted = append(d.emitted, d.tree[name], file(name+"/.wh..wh..opq", ""))
}
