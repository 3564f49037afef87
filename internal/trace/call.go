// Package trace runs a container runtime under ptrace(2) and records the kernel calls that make the container: namespaces,
// mounts, the root directory and cgroups, in the order in which the program makes them. It also compares two programs by their
// calls, whatever their functions, names and comments are.
//
//	calls, err := trace.Run(exec.Command("build/mine", "run", "/bin/true"), 10*time.Second)
//	for _, call := range calls {
//		fmt.Println(call.Process, call)
//	}
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
	// Process is the process that makes the call: "run" is the first process of the program, "child" is a child of run, and
	// "grandchild" is a child of a child. A second child is "child 2".
	Process string
	// Name is the name of the call. A variant of a call has the name of the call: mkdirat is "mkdir", too.
	Name string
	// Args are the arguments as you write them in C: `"proc"`, `MS_NOSUID|MS_NODEV`, `NULL`. Instead of a descriptor, Args has
	// the path of the open file. Args leaves out lengths, the environment, and the data of a mount if they are NULL.
	Args []string
	// Err is the error of a call that failed, or 0.
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

// Has reports whether one of the arguments is the word, or is a set of flags that contains the word. Write a string with its
// quotes: c.Has(`"proc"`), c.Has("MS_PRIVATE").
func (c Call) Has(word string) bool {
	return slices.ContainsFunc(c.Args, func(arg string) bool {
		return arg == word || !strings.HasPrefix(arg, `"`) && slices.Contains(strings.Split(arg, "|"), word)
	})
}
