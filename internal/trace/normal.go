package trace

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A deed is a call as the comparison sees it: what differs without making a difference is the same in both programs.
type deed struct {
	// Call is what is shown.
	Call
	// what tells which call of one program answers to which call of the other: two mounts of proc, with whatever flags.
	what string
	// args are what is compared.
	args []string
	// at is the index of the call among the calls of its program.
	at int
}

// cgroups are where the hierarchies of cgroups are mounted. cgroups(7)
const cgroups = "/sys/fs/cgroup"

// normal leaves out what makes no difference: the names of cgroups, calls that fail in vain or are made twice, the arguments that
// the kernel does not look at.
func normal(calls []Call) []deed {
	var deeds []deed
	directories := map[string]string{}
	for i, c := range calls {
		here := directories[c.Process]
		c = c.from(here)
		switch {
		case c.Name == "chdir" && c.Err == 0:
			directories[c.Process] = text(c.Args[0])
		case c.Name == "chroot":
			delete(directories, c.Process)
		}
		deeds = add(deeds, c, calls[i+1:])
		// Change to a directory and make it the root directory: the same as chroot and a change to the new root.
		if change := "chdir " + here; c.Name == "chroot" && here != "" && text(c.Args[0]) == here {
			deeds = slices.DeleteFunc(deeds, func(d deed) bool { return d.Process == c.Process && d.what == change })
			deeds = add(deeds, Call{c.Process, "chdir", []string{`"/"`}, 0}, calls[i+1:])
			directories[c.Process] = "/"
		}
	}
	for i := range deeds {
		deeds[i].at = i
	}
	return deeds
}

// add appends a call unless it changes nothing. Later are the calls that follow.
func add(deeds []deed, c Call, later []Call) []deed {
	if idle(c, later) {
		return deeds
	}
	d := c.deed(later)
	again := func(e deed) bool {
		return e.Process == d.Process && e.what == d.what && e.Err == d.Err && slices.Equal(e.args, d.args)
	}
	if d.Name != "mount" && slices.ContainsFunc(deeds, again) || merge(deeds, d) {
		return deeds
	}
	return append(deeds, d)
}

// from returns the call with absolute paths, if it is known in which directory its process is.
func (c Call) from(here string) Call {
	place := 0
	switch c.Name {
	case "mount":
		place = 1
	case "chroot", "chdir", "umount2", "mkdir", "rmdir":
	default:
		return c
	}
	name := text(c.Args[place])
	if name != "" && here != "" && !path.IsAbs(name) {
		name = path.Join(here, name)
	}
	if path.IsAbs(name) {
		c.Args = slices.Clone(c.Args)
		c.Args[place] = strconv.Quote(path.Clean(name))
	}
	return c
}

// idle reports whether a call changes nothing that counts: it makes the mount point of a mount, it removes a directory that does
// not exist, or it fails and is made again with success.
func idle(c Call, later []Call) bool {
	succeeds := func(l Call) bool { return l.Process == c.Process && l.Name == c.Name && l.Err == 0 }
	switch c.Name {
	case "mkdir":
		return (c.Err == 0 || c.Err == unix.EEXIST) && !strings.HasPrefix(text(c.Args[0]), cgroups)
	case "rmdir":
		removed := func(l Call) bool { return succeeds(l) && path.Clean(text(l.Args[0])) == text(c.Args[0]) }
		return c.Err == unix.ENOENT || c.Err == unix.EBUSY && slices.ContainsFunc(later, removed)
	case "execve":
		return c.Err != 0 && slices.ContainsFunc(later, succeeds)
	case "write":
		// This is the kernel's own value.
		return strings.HasSuffix(text(c.Args[0]), "/cpu.cfs_period_us") && strings.TrimSpace(text(c.Args[1])) == "100000"
	}
	return false
}

// merge adds a controller to those that the same process has enabled before. cgroups(7)
func merge(deeds []deed, d deed) bool {
	if d.Name != "write" || d.Err != 0 || !strings.HasSuffix(text(d.Args[0]), "/cgroup.subtree_control") {
		return false
	}
	i := slices.IndexFunc(deeds, func(e deed) bool {
		return e.Process == d.Process && e.Name == "write" && e.Err == 0 && e.Args[0] == d.Args[0]
	})
	if i < 0 {
		return false
	}
	words := append(strings.Fields(text(deeds[i].Args[1])), strings.Fields(text(d.Args[1]))...)
	deeds[i].Args = []string{d.Args[0], strconv.Quote(strings.Join(words, " "))}
	deeds[i].args = []string{d.Args[0], options(strings.Join(words, ","))}
	return true
}

// deed returns a call in its normal form.
func (c Call) deed(later []Call) deed {
	d := deed{Call: c, what: c.Name, args: c.Args}
	switch c.Name {
	case "mount":
		d.mount()
	case "mkdir", "rmdir":
		// A slash at the end: all of the path are directories.
		d.Args = []string{strconv.Quote(strings.TrimSuffix(cgroup(text(c.Args[0])+"/"), "/"))}
		d.args = d.Args
		if c.Err == unix.EEXIST {
			d.Err = 0
		}
	case "write":
		name, value := cgroup(text(c.Args[0])), strings.TrimSpace(text(c.Args[1]))
		d.what = path.Base(name)
		d.Args = []string{strconv.Quote(name), strconv.Quote(value)}
		d.args = []string{d.Args[0], setting(d.what, value)}
	case "chdir", "umount2":
		d.what += " " + text(c.Args[0])
	case "execve":
		// A process that is no longer recorded has become another program. Before, it can only have become the same one.
		if slices.ContainsFunc(later, func(l Call) bool { return l.Process == c.Process }) && c.Err == 0 {
			d.what, d.Args = "execve of itself", []string{`"/proc/self/exe"`}
		} else {
			d.what, d.Args = "execve of the command", c.Args[:1]
		}
		d.args = d.Args
	}
	return d
}

var propagation = []string{"MS_PRIVATE", "MS_SLAVE", "MS_SHARED", "MS_UNBINDABLE"}

// mount leaves out what the kernel does not look at: of a change of propagation all but the place and the flags, of a new file
// system in memory the source. mount(2)
func (d *deed) mount() {
	args := slices.Clone(d.Args)
	kind := text(args[2])
	switch {
	case slices.ContainsFunc(propagation, d.Has):
		d.what = "propagation"
		args = []string{`""`, args[1], `""`, args[3]}
	case d.Has("MS_BIND") || d.Has("MS_MOVE") || d.Has("MS_REMOUNT"):
		d.what = "mount " + text(args[1])
	case kind == "proc" || kind == "tmpfs" || kind == "sysfs" || kind == "devpts":
		d.what = "mount " + kind
		args[0] = strconv.Quote(kind)
	}
	d.args = append(args[:4:4], "")
	if len(args) > 4 {
		d.args[4] = options(text(args[4]))
	}
}

// controllers are the names that directories of cgroups of version 1 have.
var controllers = []string{"memory", "cpu", "cpuacct", "cpu,cpuacct", "pids", "cpuset", "blkio", "devices", "freezer", "hugetlb",
	"net_cls", "net_prio", "net_cls,net_prio", "perf_event", "rdma", "misc", "systemd", "unified"}

// cgroup takes the names that a program has made up out of the path of a cgroup, or of a file in it.
func cgroup(name string) string {
	below, ok := strings.CutPrefix(name, cgroups+"/")
	if !ok {
		return name
	}
	parts := strings.Split(below, "/")
	for i, part := range parts {
		switch {
		case part == "cpu,cpuacct":
			parts[i] = "cpu"
		case i < len(parts)-1 && !slices.Contains(controllers, part):
			parts[i] = "<cgroup>"
		}
	}
	return cgroups + "/" + strings.Join(parts, "/")
}

// setting returns what a value means that is written to a file of a cgroup.
func setting(file, value string) string {
	switch file {
	case "cgroup.procs", "tasks":
		// 0 is the process that writes it. Another number is that of the child.
		return "0"
	case "cpu.max":
		// This is the kernel's own period.
		return strings.TrimSuffix(value, " 100000")
	case "cgroup.subtree_control":
		return options(strings.Join(strings.Fields(value), ","))
	}
	return size(value)
}

// options sorts a list with commas, as the order plays no part.
func options(list string) string {
	words := strings.Split(list, ",")
	for i, word := range words {
		if name, value, ok := strings.Cut(word, "="); ok {
			if name == "mode" {
				value = strings.TrimLeft(value, "0")
			}
			words[i] = name + "=" + size(value)
		}
	}
	slices.Sort(words)
	return strings.Join(slices.Compact(words), ",")
}

// size returns a number of bytes without k, m or g.
func size(value string) string {
	for unit, factor := range map[string]uint64{"k": 1 << 10, "m": 1 << 20, "g": 1 << 30} {
		digits, ok := strings.CutSuffix(strings.ToLower(value), unit)
		if n, err := strconv.ParseUint(digits, 10, 32); ok && err == nil {
			return strconv.FormatUint(n*factor, 10)
		}
	}
	return value
}

// text returns a string without its quotes. NULL is empty.
func text(arg string) string {
	s, _ := strconv.Unquote(arg)
	return s
}
