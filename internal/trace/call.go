// Package trace runs a container runtime under ptrace(2) and tells which calls of the kernel make the container: namespaces,
// mounts, the root directory, cgroups, in the order in which the program makes them. It also compares two programs by their
// calls, so that names, comments and helper functions play no part.
//
//	calls, err := trace.Run(exec.Command("build/mine", "run", "/bin/true"), 10*time.Second)
//	if trace.Index(calls, "mount", "MS_PRIVATE") > trace.Index(calls, "chroot") { … }
//
// Trace needs root and Linux 5.3, and works on amd64 and arm64.
package trace

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A Call is a call of the kernel that takes part in making a container: clone, clone3, unshare and setns;
// prctl(PR_SET_PDEATHSIG); sethostname; mount, umount2, chroot, pivot_root, chdir and fchdir; mkdir and rmdir; a write to a file
// of a cgroup; execve.
type Call struct {
	// Process is the process that makes the call: "run" is the program as it was started, "child" is its child, "grandchild" a
	// child of that. A second process of the same kind is "child 2".
	Process string
	// Name is the name of the call without the variants that differ only in how they are called: "mkdir" is mkdirat, too.
	Name string
	// Args are the arguments as you write them in C: `"proc"`, `MS_NOSUID|MS_NODEV`, `NULL`. A descriptor is shown as the path
	// that it is open for. Lengths, the environment and a last argument that is NULL are left out.
	Args []string
	// Err is the error of a call that failed, 0 if the call went well.
	Err unix.Errno `json:",omitempty"`
}

// String shows the call as a line of C: mount("proc", "/proc", "proc", MS_NOSUID|MS_NODEV) = EINVAL
func (c Call) String() string {
	text := c.Name + "(" + strings.Join(c.Args, ", ") + ")"
	if c.Err != 0 {
		text += " = " + unix.ErrnoName(c.Err)
	}
	return text
}

// Has reports whether one of the arguments is the word, or a set of flags with the word among them. `"proc"` is a word with its
// quotes, MS_PRIVATE one without.
func (c Call) Has(word string) bool {
	return slices.ContainsFunc(c.Args, func(arg string) bool {
		return arg == word || !strings.HasPrefix(arg, `"`) && slices.Contains(strings.Split(arg, "|"), word)
	})
}

// Index returns the index of the first call of this name that has all the words, -1 if there is none. A call that failed
// counts.
func Index(calls []Call, name string, words ...string) int {
	return slices.IndexFunc(calls, func(c Call) bool {
		return c.Name == name && !slices.ContainsFunc(words, func(word string) bool { return !c.Has(word) })
	})
}
