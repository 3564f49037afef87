//go:build linux

package namespace

import (
	"fmt"
	"os"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Start starts a program in the namespaces, and returns its number. Where all of them are new, that is clone and execve, for which
// package syscall is there. Else see fork.go. The program is an open file: a path may lead elsewhere in the namespaces.
//
// Where there is a user namespace, new or not, the program runs as its user 0.
func (s *Set) Start(program *os.File, argv []string, attr *syscall.ProcAttr) (pid int, err error) {
	attr.Sys.Cloneflags |= s.New
	if len(s.joined) > 0 || s.Offsets != nil {
		return s.fork(program, argv, attr)
	}
	if s.makesUser() {
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

// makesUser reports whether there is a new user namespace.
func (s *Set) makesUser() bool { return s.New&unix.CLONE_NEWUSER != 0 }

func idMap(list []specs.LinuxIDMapping) []syscall.SysProcIDMap {
	all := make([]syscall.SysProcIDMap, len(list))
	for i, m := range list {
		all[i] = syscall.SysProcIDMap{ContainerID: int(m.ContainerID), HostID: int(m.HostID), Size: int(m.Size)}
	}
	return all
}

// writeMaps tells the kernel what IDs of the host the ones of a process's user namespace are. user_namespaces(7)
func (s *Set) writeMaps(pid int) error {
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
func (s *Set) offsetLines() []byte {
	var lines []byte
	for clock, offset := range s.Offsets {
		lines = fmt.Appendf(lines, "%s %d %d\n", clock, offset.Secs, offset.Nanosecs)
	}
	return lines
}
