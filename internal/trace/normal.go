package trace

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// An action is a call in the form in which programs are compared. Two calls with the same effect are the same action.
type action struct {
	// Call is what is shown.
	Call
	// what names the purpose of the call. Calls of two programs are compared if they have the same purpose: two mounts of proc,
	// whatever their flags are.
	what string
	// args are the arguments for the comparison.
	args []string
	// at is the index of the call among the calls of its program.
	at int
}

// cgroups is the directory where the hierarchies of cgroups are mounted. cgroups(7)
const cgroups = "/sys/fs/cgroup"

// normal turns calls into actions. It leaves out calls without an effect and repeated calls, the names of cgroups, and arguments
// that the kernel ignores.
func normal(calls []Call) []action {
	var actions []action
	directories := map[string]string{}
	for i, c := range calls {
		here := directories[c.Process]
		c = c.from(here)
		switch {
		case c.Name == "chdir" && c.Err == 0:
			directories[c.Process] = text(c.Args[0])
		case c.Name == "chroot" && c.Err == 0:
			delete(directories, c.Process)
		}
		actions = add(actions, c, calls[i+1:])
		// A chroot to the working directory needs no second chdir: the process is at the new root already.
		if change := "chdir " + here; c.Name == "chroot" && here != "" && text(c.Args[0]) == here {
			actions = slices.DeleteFunc(actions, func(d action) bool { return d.Process == c.Process && d.what == change })
			actions = add(actions, Call{c.Process, "chdir", []string{`"/"`}, 0}, calls[i+1:])
			directories[c.Process] = "/"
		}
	}
	sortTrees(actions)
	for i := range actions {
		actions[i].at = i
	}
	return actions
}

// sortTrees sorts neighbouring calls on cgroups by their trees. The trees of cgroup v1 are independent, so their order has no
// effect.
func sortTrees(actions []action) {
	for start := 0; start < len(actions); start++ {
		end := start
		for end < len(actions) && actions[end].Process == actions[start].Process && actions[end].onCgroup() {
			end++
		}
		if end > start {
			slices.SortStableFunc(actions[start:end], func(a, b action) int { return strings.Compare(a.tree(), b.tree()) })
			start = end - 1
		}
	}
}

// onCgroup reports whether a call makes, removes or sets up a cgroup.
func (d action) onCgroup() bool {
	return (d.Name == "mkdir" || d.Name == "rmdir" || d.Name == "write") && strings.HasPrefix(text(d.Args[0]), cgroups+"/")
}

// tree returns the tree of the cgroup that a call changes. It is empty on cgroup v2, which has one tree.
func (d action) tree() string {
	first, _, _ := strings.Cut(strings.TrimPrefix(text(d.Args[0]), cgroups+"/"), "/")
	if slices.Contains(controllers, first) {
		return first
	}
	return ""
}

// add appends a call unless the call has no effect. Later are the calls that follow.
func add(actions []action, c Call, later []Call) []action {
	if idle(c, later) {
		return actions
	}
	d := c.action(later)
	again := func(e action) bool {
		return e.Process == d.Process && e.what == d.what && e.Err == d.Err && slices.Equal(e.args, d.args)
	}
	if d.Name == "chdir" {
		// Only the last change to a directory counts.
		actions = slices.DeleteFunc(actions, again)
	}
	if d.Name != "mount" && slices.ContainsFunc(actions, again) || merge(actions, d) {
		return actions
	}
	return append(actions, d)
}

// from returns the call with an absolute path, if the trace shows the working directory of the process.
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

// idle reports whether a call has no effect that matters: the call makes a mount point, removes a directory that does not exist,
// sets a default of the kernel, or fails and succeeds later.
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
		// 100000 is the default. cgroups(7)
		return strings.HasSuffix(text(c.Args[0]), "/cpu.cfs_period_us") && strings.TrimSpace(text(c.Args[1])) == "100000"
	}
	return false
}

// merge adds controllers to an earlier write of the same process, so that a program may enable them one by one. cgroups(7)
func merge(actions []action, d action) bool {
	if d.Name != "write" || d.Err != 0 || !strings.HasSuffix(text(d.Args[0]), "/cgroup.subtree_control") {
		return false
	}
	i := slices.IndexFunc(actions, func(e action) bool {
		return e.Process == d.Process && e.Name == "write" && e.Err == 0 && e.Args[0] == d.Args[0]
	})
	if i < 0 {
		return false
	}
	words := append(strings.Fields(text(actions[i].Args[1])), strings.Fields(text(d.Args[1]))...)
	actions[i].Args = []string{d.Args[0], strconv.Quote(strings.Join(words, " "))}
	actions[i].args = []string{d.Args[0], options(strings.Join(words, ","))}
	return true
}

// action returns the action of a call.
func (c Call) action(later []Call) action {
	d := action{Call: c, what: c.Name, args: c.Args}
	switch c.Name {
	case "mount":
		d.mount()
	case "mkdir", "rmdir":
		// The slash at the end says that the last name is a directory, too.
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
		// Run records no calls of the command. So if the process makes more calls, it has executed its own program.
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

// mount leaves out the arguments that the kernel ignores: source and type of a change of propagation, and the source of a file
// system that has no device. mount(2)
func (d *action) mount() {
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

// controllers are the names of the mount points of cgroups version 1.
var controllers = []string{"memory", "cpu", "cpuacct", "cpu,cpuacct", "pids", "cpuset", "blkio", "devices", "freezer", "hugetlb",
	"net_cls", "net_prio", "net_cls,net_prio", "perf_event", "rdma", "misc", "systemd", "unified"}

// cgroup replaces the names that a program has chosen in the path of a cgroup, or of a file in a cgroup.
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

// setting returns the meaning of a value in a file of a cgroup.
func setting(file, value string) string {
	switch file {
	case "cgroup.procs", "tasks":
		// 0 means the process that writes. The only other process that a program moves into a cgroup is the child.
		return "0"
	case "cpu.max":
		// 100000 is the default of the period. cgroups(7)
		return strings.TrimSuffix(value, " 100000")
	case "cgroup.subtree_control":
		return options(strings.Join(strings.Fields(value), ","))
	}
	return size(value)
}

// options sorts a list of options with commas between them, because their order has no effect.
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

// text returns a string without its quotes, and NULL as an empty string.
func text(arg string) string {
	s, _ := strconv.Unquote(arg)
	return s
}
