//go:build linux

package rootfs

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Options are the words of a mount, sorted by what they are for.
type Options struct {
	// Set and Clear are attributes of the mount, and SetAll and ClearAll those of all mounts below it too. mount_setattr(2)
	Set, Clear, SetAll, ClearAll uint64
	// Propagation is unix.MS_PRIVATE or the like, 0 if no word says so.
	Propagation    uint64
	PropagationAll bool
	// Bind says that it is a bind mount, and Recursive that the mounts below the source are bound as well.
	Bind, Recursive bool
	// CopyUp says that a tmpfs starts with what was in the directory before.
	CopyUp bool
	// Data are the options of the file system itself.
	Data []string
}

// An attribute has a word for setting it and one for clearing it. With an r before it, a word is for the mounts below too.
var attributes = []struct {
	set, clear string
	attr       uint64
}{
	{"ro", "rw", unix.MOUNT_ATTR_RDONLY},
	{"nosuid", "suid", unix.MOUNT_ATTR_NOSUID},
	{"nodev", "dev", unix.MOUNT_ATTR_NODEV},
	{"noexec", "exec", unix.MOUNT_ATTR_NOEXEC},
	{"noatime", "atime", unix.MOUNT_ATTR_NOATIME},
	{"strictatime", "nostrictatime", unix.MOUNT_ATTR_STRICTATIME},
	{"nodiratime", "diratime", unix.MOUNT_ATTR_NODIRATIME},
	{"nosymfollow", "symfollow", unix.MOUNT_ATTR_NOSYMFOLLOW},
}

var propagations = []struct {
	word string
	flag uint64
}{
	{"private", unix.MS_PRIVATE}, {"shared", unix.MS_SHARED}, {"slave", unix.MS_SLAVE}, {"unbindable", unix.MS_UNBINDABLE},
}

// ParseOptions sorts the words of a mount. What is none of the OCI specification's is left to the file system, which refuses
// what it does not know; a bind mount has none, and so the word is refused here. config.md, mounts
func ParseOptions(words []string) (Options, error) {
	var o Options
	for _, word := range words {
		if !o.take(word) {
			o.Data = append(o.Data, word)
		}
	}
	if o.Bind && len(o.Data) > 0 {
		return o, fmt.Errorf("unknown option %q of a bind mount", o.Data[0])
	}
	return o, nil
}

func (o *Options) take(word string) bool {
	switch word {
	case "defaults", "relatime", "norelatime", "rrelatime", "rnorelatime", "loud", "silent", "":
		return true
	case "bind", "rbind":
		o.Bind, o.Recursive = true, o.Recursive || word == "rbind"
		return true
	case "tmpcopyup":
		o.CopyUp = true
		return true
	}
	for _, p := range propagations {
		if word == p.word || word == "r"+p.word {
			o.Propagation, o.PropagationAll = p.flag, word != p.word
			return true
		}
	}
	for _, a := range attributes {
		switch word {
		case a.set:
			o.Set, o.Clear = o.Set|a.attr, o.Clear&^a.attr
		case a.clear:
			o.Set, o.Clear = o.Set&^a.attr, o.Clear|a.attr
		case "r" + a.set:
			o.SetAll, o.ClearAll = o.SetAll|a.attr, o.ClearAll&^a.attr
		case "r" + a.clear:
			o.SetAll, o.ClearAll = o.SetAll&^a.attr, o.ClearAll|a.attr
		default:
			continue
		}
		return true
	}
	return false
}

// Flags returns the attributes for a new file system. fsmount(2)
func (o *Options) Flags() int { return int(o.Set | o.SetAll) }

// String returns what matters of the options to a reader, for --explain.
func (o *Options) String() string {
	var words []string
	for _, a := range attributes {
		if (o.Set|o.SetAll)&a.attr != 0 {
			words = append(words, a.set)
		}
	}
	return strings.Join(append(words, o.Data...), ",")
}
