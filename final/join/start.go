//go:build linux

// Package join runs on the host side. It starts this program again in new namespaces, in existing namespaces, or in some of each. The
// new process becomes process 1 of a container, or joins a container. If namespaces exist already, two short-lived children come
// between the host side and the new process: fork.go draws them.
package join

import (
	"fmt"
	"os"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/namespace"
)

// A starter starts one process in the namespaces of a set.
type starter struct{ *namespace.Set }

// Start starts a program in namespaces, and returns the PID. If all namespaces are new, package syscall does the work with clone and
// execve. Otherwise forkTwice does. The program is an open file, because its path may lead elsewhere in the namespaces.
//
// In a user namespace, new or existing, the program runs as user 0 of the namespace.
func Start(set *namespace.Set, program *os.File, argv []string, attr *syscall.ProcAttr) (pid int, err error) {
	s := starter{set}
	attr.Sys.Cloneflags |= s.New
	if len(s.Joined) > 0 || s.Offsets != nil {
		return s.forkTwice(program, argv, attr)
	}
	if s.MakesUser() {
		attr.Sys.UidMappings, attr.Sys.GidMappings = idMap(s.UIDs), idMap(s.GIDs)
		attr.Sys.GidMappingsEnableSetgroups = true
		if !s.Nobody {
			// At execve, only user 0 keeps the capabilities that it has in the namespace. capabilities(7)
			attr.Sys.Credential = &syscall.Credential{Uid: 0, Gid: 0}
		}
	}
	// The files get the numbers from 0 on in the child. The program needs a higher number.
	high, err := unix.FcntlInt(program.Fd(), unix.F_DUPFD_CLOEXEC, len(attr.Files))
	if err != nil {
		return 0, os.NewSyscallError("fcntl", err)
	}
	defer unix.Close(high)
	return syscall.ForkExec(fmt.Sprintf("/proc/self/fd/%d", high), argv, attr)
}

func idMap(list []specs.LinuxIDMapping) []syscall.SysProcIDMap {
	all := make([]syscall.SysProcIDMap, len(list))
	for i, m := range list {
		all[i] = syscall.SysProcIDMap{ContainerID: int(m.ContainerID), HostID: int(m.HostID), Size: int(m.Size)}
	}
	return all
}

// writeMaps tells the kernel which ID on the host each ID of a process's user namespace stands for. user_namespaces(7)
func (s starter) writeMaps(pid int) error {
	for _, m := range []struct {
		file string
		list []specs.LinuxIDMapping
	}{{"uid_map", s.UIDs}, {"gid_map", s.GIDs}} {
		var lines []byte
		for _, line := range m.list {
			lines = fmt.Appendf(lines, "%d %d %d\n", line.ContainerID, line.HostID, line.Size)
		}
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/%s", pid, m.file), lines, 0); err != nil {
			return err
		}
	}
	return nil
}

// offsetLines returns the clocks of a new time namespace as the kernel wants them, one a line. time_namespaces(7)
func (s starter) offsetLines() []byte {
	var lines []byte
	for clock, offset := range s.Offsets {
		lines = fmt.Appendf(lines, "%s %d %d\n", clock, offset.Secs, offset.Nanosecs)
	}
	return lines
}
