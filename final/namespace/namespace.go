//go:build linux

// Package namespace runs on the host side. It knows the kinds of namespaces, and opens the namespaces of a configuration or of a process.
// It joins none: that is the work of a list of system calls (package become, enter.go).
package namespace

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A Kind is a kind of namespace. namespaces(7)
type Kind struct {
	Type specs.LinuxNamespaceType
	Flag uintptr
	// Name is the name of the flag in C.
	Name string
	// File is the name of the namespace in /proc/PID/ns.
	File string
	Man  string
	// Step is the step of the workshop that teaches this kind, 0 for none.
	Step int
}

// Kinds are the kinds of namespaces that a container can have.
var Kinds = []Kind{
	{specs.UserNamespace, unix.CLONE_NEWUSER, "CLONE_NEWUSER", "user", "user_namespaces(7)", 0},
	{specs.UTSNamespace, unix.CLONE_NEWUTS, "CLONE_NEWUTS", "uts", "uts_namespaces(7)", 2},
	{specs.PIDNamespace, unix.CLONE_NEWPID, "CLONE_NEWPID", "pid", "pid_namespaces(7)", 3},
	{specs.MountNamespace, unix.CLONE_NEWNS, "CLONE_NEWNS", "mnt", "mount_namespaces(7)", 5},
	{specs.IPCNamespace, unix.CLONE_NEWIPC, "CLONE_NEWIPC", "ipc", "ipc_namespaces(7)", 0},
	{specs.NetworkNamespace, unix.CLONE_NEWNET, "CLONE_NEWNET", "net", "network_namespaces(7)", 0},
	{specs.CgroupNamespace, unix.CLONE_NEWCGROUP, "CLONE_NEWCGROUP", "cgroup", "cgroup_namespaces(7)", 0},
	{specs.TimeNamespace, unix.CLONE_NEWTIME, "CLONE_NEWTIME", "time", "time_namespaces(7)", 0},
}

// Types returns the names that the kinds have in a configuration, sorted. config-linux.md, "Namespaces"
func Types() []string {
	var types []string
	for _, k := range Kinds {
		types = append(types, string(k.Type))
	}
	slices.Sort(types)
	return types
}

// late are the kinds that come after clone. A cgroup namespace shows the cgroup of its maker as the root, and process 1 joins its cgroups
// later. clone would take the flag of a time namespace for a signal. clone(2)
const late = unix.CLONE_NEWCGROUP | unix.CLONE_NEWTIME

// A Handle is a descriptor of a namespace, or of a process that is in the namespaces of the flags.
type Handle struct {
	File  *os.File
	Flags uintptr
}

// Names are the names of the flags, as in C.
func (h *Handle) Names() string { return Names(h.Flags) }

// Names writes flags as in C.
func Names(flags uintptr) string {
	var names []string
	for _, k := range Kinds {
		if flags&k.Flag != 0 {
			names = append(names, k.Name)
		}
	}
	return strings.Join(names, "|")
}

// A Set has the namespaces of a process to start.
type Set struct {
	// New are the flags for clone. In a user namespace, process 1 makes its IPC namespace later.
	New uintptr
	// Offsets are the clocks of a new time namespace, nil without one.
	Offsets map[string]specs.LinuxTimeOffset
	// UIDs and GIDs are the maps of a new user namespace.
	UIDs, GIDs []specs.LinuxIDMapping
	// Nobody says that the process keeps its user IDs in a new user namespace, which may not have a user 0. One clone is enough for such a
	// process.
	Nobody bool
	// Mount says that the process joins an existing mount namespace, User that it joins an existing user namespace.
	Mount, User bool

	// Joined are the existing namespaces. A user namespace comes last: in it the process may have no right to join the others.
	Joined []Handle

	open []*os.File
}

// Open opens the namespaces of a configuration. It refuses a path that leads to a namespace of another kind, or to something else. The
// caller closes the set.
func Open(linux *specs.Linux) (_ *Set, err error) {
	s := &Set{}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	for i, n := range linux.Namespaces {
		k, ok := find(n.Type)
		switch {
		case !ok:
			err = fmt.Errorf("unknown namespace %q", n.Type)
		case n.Path != "":
			err = s.join(k, n.Path)
		case k.Flag == unix.CLONE_NEWTIME:
			s.Offsets = linux.TimeOffsets
			if s.Offsets == nil {
				s.Offsets = map[string]specs.LinuxTimeOffset{}
			}
		case k.Flag == unix.CLONE_NEWUSER:
			s.UIDs, s.GIDs = linux.UIDMappings, linux.GIDMappings
			s.New |= k.Flag
		default:
			s.New |= k.Flag &^ late
		}
		if err != nil {
			return nil, fmt.Errorf("linux.namespaces[%d]: %w", i, err)
		}
	}
	if s.HasUser() {
		// /dev/mqueue belongs to the user that makes the IPC namespace, so process 1 makes it as root of the user namespace.
		s.New &^= unix.CLONE_NEWIPC
	}
	s.sort()
	return s, nil
}

// join opens an existing namespace by its path.
func (s *Set) join(k Kind, path string) error {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	s.open = append(s.open, file)
	kind, err := unix.IoctlRetInt(int(file.Fd()), unix.NS_GET_NSTYPE)
	if err != nil || uintptr(kind) != k.Flag {
		return fmt.Errorf("%s: must be a namespace of type %s, such as /proc/PID/ns/%s", path, k.Type, k.File)
	}
	ours := isOurs(file, k)
	switch {
	case k.Flag == unix.CLONE_NEWNS && ours:
		return fmt.Errorf("%s: is the host's own mount namespace, whose root directory would change: name another namespace, or leave path out", path)
	case k.Flag == unix.CLONE_NEWUSER && ours:
		// A process cannot join its own user namespace again. setns(2)
		return nil
	}
	s.add(Handle{file, k.Flag})
	return nil
}

func (s *Set) add(h Handle) {
	s.Joined = append(s.Joined, h)
	s.Mount = s.Mount || h.Flags&unix.CLONE_NEWNS != 0
	s.User = s.User || h.Flags&unix.CLONE_NEWUSER != 0
}

// sort puts the user namespace last.
func (s *Set) sort() {
	slices.SortStableFunc(s.Joined, func(a, b Handle) int {
		return int(a.Flags&unix.CLONE_NEWUSER) - int(b.Flags&unix.CLONE_NEWUSER)
	})
}

// Of returns the namespaces of a process, by its PID and by a descriptor, which the caller closes. pidfd_open(2)
func Of(pid int, pidfd *os.File) (*Set, error) {
	s := &Set{}
	for _, k := range Kinds {
		file, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", pid, k.File))
		if err != nil {
			return nil, err
		}
		ours := isOurs(file, k)
		file.Close()
		if !ours {
			s.add(Handle{pidfd, k.Flag})
		}
	}
	s.sort()
	return s, nil
}

// MakesUser reports whether there is a new user namespace.
func (s *Set) MakesUser() bool { return s.New&unix.CLONE_NEWUSER != 0 }

// HasUser reports whether the process gets another user namespace than we have.
func (s *Set) HasUser() bool { return s.MakesUser() || s.User }

// NeedsEnter reports whether a process needs more than one clone to get into the namespaces: see package become, enter.go.
func (s *Set) NeedsEnter() bool {
	return len(s.Joined) > 0 || s.Offsets != nil || s.MakesUser() && !s.Nobody
}

// OffsetLines returns the clocks of a new time namespace as the kernel wants them, one a line. time_namespaces(7)
func (s *Set) OffsetLines() []byte {
	var lines []byte
	for clock, offset := range s.Offsets {
		lines = fmt.Appendf(lines, "%s %d %d\n", clock, offset.Secs, offset.Nanosecs)
	}
	return lines
}

// Close closes the descriptors.
func (s *Set) Close() {
	for _, file := range s.open {
		file.Close()
	}
}

// isOurs reports whether this process is in a namespace.
func isOurs(file *os.File, k Kind) bool {
	var ours, theirs unix.Stat_t
	return unix.Stat("/proc/self/ns/"+k.File, &ours) == nil && unix.Fstat(int(file.Fd()), &theirs) == nil && ours.Ino == theirs.Ino && ours.Dev == theirs.Dev
}

func find(t specs.LinuxNamespaceType) (Kind, bool) {
	for _, k := range Kinds {
		if k.Type == t {
			return k, true
		}
	}
	return Kind{}, false
}
