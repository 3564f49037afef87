//go:build linux

// Package join runs on the host side. It starts this program again in namespaces, of which some may be there already, and so makes process 1
// of a container, or a process that joins a container. Between the two there are two children for a moment, which fork.go draws: they
// are no Go programs, and make raw system calls only.
package join

import (
	"fmt"
	"os"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/namespace"
)

// A starter starts one process.
type starter struct{ *namespace.Set }

// Start starts a program in namespaces, and returns its number. Where all of them are new, that is clone and execve, for which
// package syscall is there. Else see fork.go. The program is an open file: a path may lead elsewhere in the namespaces.
//
// Where there is a user namespace, new or not, the program runs as its user 0.
func Start(set *namespace.Set, program *os.File, argv []string, attr *syscall.ProcAttr) (pid int, err error) {
	s := starter{set}
	attr.Sys.Cloneflags |= s.New
	if len(s.Joined) > 0 || s.Offsets != nil {
		return s.fork(program, argv, attr)
	}
	if s.MakesUser() {
		attr.Sys.UidMappings, attr.Sys.GidMappings = idMap(s.UIDs), idMap(s.GIDs)
		attr.Sys.GidMappingsEnableSetgroups = true
		if !s.Nobody {
			// Without an execve as user 0 it would lose the capabilities that it has in the namespace. capabilities(7)
			attr.Sys.Credential = &syscall.Credential{Uid: 0, Gid: 0}
		}
	}
	// Files take the first numbers in the child, whatever has them here: the program has to have another.
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

// writeMaps tells the kernel what IDs of the host the ones of a process's user namespace are. user_namespaces(7)
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

// offsetLines are what the file of the clocks gets. time_namespaces(7)
func (s starter) offsetLines() []byte {
	var lines []byte
	for clock, offset := range s.Offsets {
		lines = fmt.Appendf(lines, "%s %d %d\n", clock, offset.Secs, offset.Nanosecs)
	}
	return lines
}
