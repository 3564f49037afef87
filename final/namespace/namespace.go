//go:build linux

// Package namespace runs on the host side: it starts the first process of a container, or one that joins a container, in the
// namespaces that a configuration lists, be they new or there already.
package namespace

import (
	"fmt"
	"os"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A Kind is a kind of namespace. namespaces(7)
type Kind struct {
	Type specs.LinuxNamespaceType
	Flag uintptr
	// Name is that of the flag in a C program.
	Name string
	// File is its name in /proc/PID/ns.
	File string
	Man  string
	// Step of the workshop that has taught it, 0 for none.
	Step int
}

// Kinds are those that a container can have of its own.
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

// IsNew reports whether the container gets a namespace of the kind that nobody else has.
func IsNew(namespaces []specs.LinuxNamespace, kind specs.LinuxNamespaceType) bool {
	return slices.Contains(namespaces, specs.LinuxNamespace{Type: kind})
}

// single are the kinds that only a process with one thread can join, which no Go program is. setns(2)
const single = unix.CLONE_NEWUSER | unix.CLONE_NEWTIME

// late are the kinds that clone is not asked for. The root of a cgroup namespace is the cgroup that a process is in when it makes
// one, and process 1 is in none of the container's yet. A flag for time would be taken for a signal. clone(2)
const late = unix.CLONE_NEWCGROUP | unix.CLONE_NEWTIME

// Has reports whether the container has a namespace of the kind that is not the host's: a new one, or one by its path.
func Has(namespaces []specs.LinuxNamespace, kind specs.LinuxNamespaceType) bool {
	return slices.ContainsFunc(namespaces, func(n specs.LinuxNamespace) bool { return n.Type == kind })
}

// A handle stands for one namespace, or with more than one flag for those of a process.
type handle struct {
	file  *os.File
	flags uintptr
}

// A Set is the namespaces of a process that is to be started, sorted by how it comes into them.
type Set struct {
	// New are flags for those that clone makes.
	New uintptr
	// Mount is a mount namespace that is there, which the process joins itself: before that it has to find its program. Nil if
	// there is none to join.
	Mount *os.File
	// Offsets are those of a new time namespace. Nil if there is none.
	Offsets map[string]specs.LinuxTimeOffset
	// UIDs and GIDs are the maps of a new user namespace.
	UIDs, GIDs []specs.LinuxIDMapping

	// joined are those that the thread joins which starts the process, and alone those for a process of one thread.
	joined, alone []handle
}

// Open opens the namespaces of a configuration, and refuses a path that leads to one of another kind, or none. It is closed by
// Close.
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
			return nil, fmt.Errorf("linux.namespaces[%d]: no namespace %q", i, n.Type)
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
	return s, nil
}

// join opens a namespace by its path.
func (s *Set) join(k Kind, path string) error {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	kind, err := unix.IoctlRetInt(int(file.Fd()), unix.NS_GET_NSTYPE)
	if err != nil || uintptr(kind) != k.Flag {
		file.Close()
		return fmt.Errorf("%s: want a namespace of type %s, such as /proc/PID/ns/%s", path, k.Type, k.File)
	}
	switch {
	case k.Flag == unix.CLONE_NEWNS:
		s.Mount = file
	case k.Flag == unix.CLONE_NEWUSER && isOurs(file, k):
		// A process cannot join its own again. setns(2)
		file.Close()
	case k.Flag&single != 0:
		s.alone = append(s.alone, handle{file, k.Flag})
	default:
		s.joined = append(s.joined, handle{file, k.Flag})
	}
	return nil
}

// Of returns the namespaces of a process, by its number and a descriptor of it. pidfd_open(2)
func Of(pid int, pidfd *os.File) (*Set, error) {
	s := &Set{Mount: pidfd}
	all := handle{file: pidfd}
	for _, k := range Kinds {
		name := fmt.Sprintf("/proc/%d/ns/%s", pid, k.File)
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		switch ours := isOurs(file, k); {
		case ours || k.Flag == unix.CLONE_NEWNS:
		case k.Flag&single != 0:
			s.alone = append(s.alone, handle{pidfd, k.Flag})
		default:
			all.flags |= k.Flag
		}
		file.Close()
	}
	if all.flags != 0 {
		s.joined = []handle{all}
	}
	return s, nil
}

// JoinsUser reports whether the process comes into a user namespace that is there.
func (s *Set) JoinsUser() bool {
	for _, h := range s.alone {
		if h.flags == unix.CLONE_NEWUSER {
			return true
		}
	}
	return false
}

// HasUser reports whether the process is to be in another user namespace than we are.
func (s *Set) HasUser() bool { return s.New&unix.CLONE_NEWUSER != 0 || s.JoinsUser() }

// Close closes the descriptors.
func (s *Set) Close() {
	for _, h := range append(s.joined, s.alone...) {
		h.file.Close()
	}
	if s.Mount != nil {
		s.Mount.Close()
	}
}

// isOurs reports whether we are in a namespace already.
func isOurs(file *os.File, k Kind) bool {
	var ours, theirs unix.Stat_t
	return unix.Stat("/proc/thread-self/ns/"+k.File, &ours) == nil && unix.Fstat(int(file.Fd()), &theirs) == nil && ours.Ino == theirs.Ino && ours.Dev == theirs.Dev
}

func find(t specs.LinuxNamespaceType) (Kind, bool) {
	for _, k := range Kinds {
		if k.Type == t {
			return k, true
		}
	}
	return Kind{}, false
}
