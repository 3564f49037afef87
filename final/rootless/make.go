//go:build linux

package rootless

import (
	"os"

	"golang.org/x/sys/unix"

	"container-workshop/final/calls"
)

// make makes a user namespace, and writes its ID maps or has them written.
func (w *way) make() {
	var children [2]calls.Slot
	if w.newuidmap != "" {
		w.Stage("clone(newuidmap), clone(newgidmap)", "newuidmap(1)", 0)
		children = [2]calls.Slot{w.child(w.newuidmap, w.uids), w.child(w.newgidmap, w.gids)}
	}
	w.Stage("unshare(CLONE_NEWUSER|CLONE_NEWNS)", "user_namespaces(7)", 0)
	w.try("unshare", unix.SYS_UNSHARE, unix.CLONE_NEWUSER|unix.CLONE_NEWNS)
	if w.newuidmap == "" {
		w.Stage(`write("uid_map", "gid_map")`, "user_namespaces(7)", 0)
		// The kernel wants that nobody in the namespace can give up a group: a group can take rights away.
		w.file("/proc/self/setgroups", []byte("deny"))
		w.file("/proc/self/uid_map", lines(w.uids))
		w.file("/proc/self/gid_map", lines(w.gids))
		w.become()
		return
	}
	w.Stage("write(go on)", "pipe(7)", 0)
	w.try("wait", unix.SYS_WRITE, w.write, "go", 2)
	// newuidmap cannot write the maps of a process whose program the user may not read. proc_pid(5), "dumpable"
	hidden := unix.Access("/proc/self/exe", unix.R_OK) != nil
	for i, number := range []int{w.read, w.write} {
		if hidden {
			w.try("wait", unix.SYS_WAITID, unix.P_PIDFD, children[i], nil, unix.WEXITED|unix.WNOWAIT, nil)
		}
		// From here on, the number is that of the child, and stays open at execve.
		w.try("wait", unix.SYS_DUP3, children[i], number, 0)
	}
	w.keep()
}

// keep lets the process have its capabilities after execve. Without ID maps nobody is root in the user namespace, and only ambient
// capabilities stay. capabilities(7), "Ambient"
func (w *way) keep() {
	w.Stage("prctl(PR_CAP_AMBIENT_RAISE)", "capabilities(7)", 0)
	header, all := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, unix.CapUserData{Effective: ^uint32(0), Permitted: ^uint32(0), Inheritable: ^uint32(0)}
	w.try("capset", unix.SYS_CAPSET, w.Struct(&header), w.Struct(&[2]unix.CapUserData{all, all}))
	for capability := range 64 {
		w.Do(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, capability, 0, 0).Ignore()
	}
}

// child starts a process that stays outside of the user namespace, waits for a byte, and writes a map of the list. It returns a descriptor of
// the process. pidfd_open(2)
func (w *way) child(program string, ranges []Range) calls.Slot {
	inChild, goOn, after := w.Label(), w.Label(), w.Label()
	number, pidfd := w.Buffer(4), w.Slot()
	pid := w.try("clone", unix.SYS_CLONE, unix.CLONE_PIDFD|int(unix.SIGCHLD), 0, number, 0, 0)
	w.Set(w.result, pid).On(0, inChild)
	w.Load(pidfd, number, 0, 1<<32-1)
	w.Goto(after)
	w.Mark(inChild)
	w.Do(unix.SYS_CLOSE, w.write).Ignore()
	// The end of the file means that the list has ended.
	w.Do(unix.SYS_READ, w.read, w.Buffer(8), 1).On(1, goOn).Ignore()
	w.Exit(1)
	w.Mark(goOn)
	w.Do(unix.SYS_EXECVE, program, w.Strings(arguments(program, os.Getpid(), ranges)), w.Strings(calls.Environment)).Ignore()
	w.Exit(127)
	w.Mark(after)
	return pidfd
}

// file writes to a file of the kernel.
func (w *way) file(name string, content []byte) {
	fd := w.try("map", unix.SYS_OPENAT, unix.AT_FDCWD, name, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	w.try("map", unix.SYS_WRITE, fd, content, len(content))
	w.Do(unix.SYS_CLOSE, fd).Ignore()
}

// become makes the process root in a user namespace that has its ID maps.
func (w *way) become() {
	for _, fd := range []int{w.read, w.write} {
		w.Do(unix.SYS_CLOSE, fd).Ignore()
	}
	w.Stage("setresgid(0), setresuid(0)", "credentials(7)", 0)
	w.try("root", unix.SYS_SETRESGID, 0, 0, 0)
	w.try("root", unix.SYS_SETRESUID, 0, 0, 0)
}
