//go:build linux

package rootfs

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Options are the words of a mount, sorted by what they are for. Of words that contradict each other the last one holds.
type Options struct {
	// Set and Clear are attributes of the mount, and SetAll and ClearAll those of all mounts below it too. For the mount
	// itself Set and Clear have the last word: they are to be changed after the others. mount_setattr(2)
	Set, Clear, SetAll, ClearAll uint64
	// Propagation is unix.MS_PRIVATE or the like, 0 if no word says so.
	Propagation    uint64
	PropagationAll bool
	// Bind says that it is a bind mount, and Recursive that the mounts below the source are bound as well.
	Bind, Recursive bool
	// Remount says that nothing is mounted, but what is there already is changed.
	Remount bool
	// IDMap says that the mount maps user and group IDs, and IDMapAll that those below it do so as well.
	IDMap, IDMapAll bool
	// CopyUp says that a tmpfs starts with what was in the directory before.
	CopyUp bool
	// Data are the options of the file system itself.
	Data []string

	// named are the attributes that words without an r before them are about.
	named uint64
}

// A word sets attributes and clears others. With an r before it, it is for the mounts below too. The times of access are one
// field of three values, so a word for one of them clears the others; relatime, the kernel's default, is 0. mount_setattr(2)
var attributes = []struct {
	word       string
	set, clear uint64
}{
	{"ro", unix.MOUNT_ATTR_RDONLY, 0}, {"rw", 0, unix.MOUNT_ATTR_RDONLY},
	{"nosuid", unix.MOUNT_ATTR_NOSUID, 0}, {"suid", 0, unix.MOUNT_ATTR_NOSUID},
	{"nodev", unix.MOUNT_ATTR_NODEV, 0}, {"dev", 0, unix.MOUNT_ATTR_NODEV},
	{"noexec", unix.MOUNT_ATTR_NOEXEC, 0}, {"exec", 0, unix.MOUNT_ATTR_NOEXEC},
	{"noatime", unix.MOUNT_ATTR_NOATIME, unix.MOUNT_ATTR__ATIME}, {"atime", 0, unix.MOUNT_ATTR_NOATIME},
	{"strictatime", unix.MOUNT_ATTR_STRICTATIME, unix.MOUNT_ATTR__ATIME}, {"nostrictatime", 0, unix.MOUNT_ATTR_STRICTATIME},
	{"relatime", unix.MOUNT_ATTR_RELATIME, unix.MOUNT_ATTR__ATIME}, {"norelatime", 0, 0},
	{"nodiratime", unix.MOUNT_ATTR_NODIRATIME, 0}, {"diratime", 0, unix.MOUNT_ATTR_NODIRATIME},
	{"nosymfollow", unix.MOUNT_ATTR_NOSYMFOLLOW, 0}, {"symfollow", 0, unix.MOUNT_ATTR_NOSYMFOLLOW},
}

var propagations = []struct {
	word string
	flag uint64
}{
	{"private", unix.MS_PRIVATE}, {"shared", unix.MS_SHARED}, {"slave", unix.MS_SLAVE}, {"unbindable", unix.MS_UNBINDABLE},
}

// filesystemFlags are words about a file system that all of them take, each with its opposite. ro is none of them here: a file
// system can be mounted elsewhere as well, as sysfs is, and only this mount of it is to be read-only. mount(8)
var filesystemFlags = []struct{ word, opposite string }{
	{"sync", "async"}, {"async", "sync"}, {"dirsync", ""},
	{"lazytime", "nolazytime"}, {"nolazytime", "lazytime"}, {"mand", "nomand"}, {"nomand", "mand"},
}

// oppositeOf returns the opposite of one of the filesystemFlags.
func oppositeOf(word string) (opposite string, known bool) {
	for _, flag := range filesystemFlags {
		if flag.word == word {
			return flag.opposite, true
		}
	}
	return "", false
}

// silences have no effect. fsconfig(2) has no word for them: it writes nothing to the kernel's log, and the file systems that
// count versions of their files always do so. defaults are what holds without a word.
var silences = []string{"defaults", "iversion", "loud", "noiversion", "silent"}

// ParseOptions sorts the words of a mount. What is none of the OCI specification's is left to the file system, which refuses
// what it does not know; a bind mount has none, and so the word is refused here. A flag of the file system, of which every
// caller has some for all mounts, is not: as in mount(2), it has no effect on a bind mount. config.md, mounts
func ParseOptions(words []string) (Options, error) {
	var o Options
	var general []string
	for _, word := range split(words) {
		if opposite, known := oppositeOf(word); known {
			general = append(slices.DeleteFunc(general, func(w string) bool { return w == word || w == opposite }), word)
		} else if !o.take(word) {
			o.Data = append(o.Data, word)
		}
	}
	if o.Bind {
		// Those of the file system were given when that was mounted: callers repeat them.
		o.Data = slices.DeleteFunc(o.Data, func(word string) bool { return strings.Contains(word, "=") })
	}
	if o.Bind && len(o.Data) > 0 {
		return o, fmt.Errorf("unknown option %q for a bind mount", o.Data[0])
	}
	if !o.Bind {
		o.Data = append(general, o.Data...)
	}
	return o, nil
}

// split takes apart options that hold several words: mount(2) takes all of them as one string. A comma in quotes, as in a label of
// SELinux, or behind a backslash, as in the name of a layer of an overlay, does not separate words. mount(8)
func split(options []string) []string {
	var words []string
	for _, option := range options {
		start, quoted := 0, false
		for i := 0; i < len(option); i++ {
			switch {
			case option[i] == '\\':
				i++
			case option[i] == '"':
				quoted = !quoted
			case option[i] == ',' && !quoted:
				words = append(words, option[start:i])
				start = i + 1
			}
		}
		words = append(words, option[start:])
	}
	return words
}

func (o *Options) take(word string) bool {
	if word == "" || slices.Contains(silences, word) {
		return true
	}
	for _, a := range attributes {
		if word == a.word || word == "r"+a.word {
			o.Set, o.Clear = o.Set&^a.clear|a.set, o.Clear&^a.set|a.clear
			if word == a.word {
				o.named |= a.set | a.clear
			} else {
				o.SetAll, o.ClearAll = o.SetAll&^a.clear|a.set, o.ClearAll&^a.set|a.clear
			}
			return true
		}
	}
	for _, p := range propagations {
		if word == p.word || word == "r"+p.word {
			o.Propagation, o.PropagationAll = p.flag, word != p.word
			return true
		}
	}
	for _, other := range otherWords {
		if word == other.word {
			other.do(o)
			return true
		}
	}
	return false
}

var otherWords = []struct {
	word string
	do   func(*Options)
}{
	{"bind", func(o *Options) { o.Bind = true }},
	{"rbind", func(o *Options) { o.Bind, o.Recursive = true, true }},
	{"remount", func(o *Options) { o.Remount = true }},
	{"idmap", func(o *Options) { o.IDMap, o.IDMapAll = true, false }},
	{"ridmap", func(o *Options) { o.IDMap, o.IDMapAll = true, true }},
	{"tmpcopyup", func(o *Options) { o.CopyUp = true }},
}

// Words returns all words that ParseOptions knows itself, sorted. features.md, mountOptions
func Words() []string {
	words := slices.Clone(silences)
	for _, a := range attributes {
		words = append(words, a.word, "r"+a.word)
	}
	for _, p := range propagations {
		words = append(words, p.word, "r"+p.word)
	}
	for _, flag := range filesystemFlags {
		words = append(words, flag.word)
	}
	for _, other := range otherWords {
		words = append(words, other.word)
	}
	slices.Sort(words)
	return words
}

// Binds reports whether a mount of a type, with these options, is a bind mount to be made.
func (o *Options) Binds(kind string) bool { return !o.Remount && (o.Bind || kind == "bind") }

// Flags returns the attributes for a new file system. fsmount(2)
func (o *Options) Flags() int { return int(o.Set) }

// String returns what matters of the options to a reader, for --explain.
func (o *Options) String() string {
	var words []string
	for _, a := range attributes {
		if o.Set&a.set != 0 {
			words = append(words, a.word)
		}
	}
	return strings.Join(append(words, o.Data...), ",")
}
