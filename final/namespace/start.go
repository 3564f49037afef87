//go:build linux

package namespace

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Start starts a program in the namespaces, by clone and execve, and returns its number. It has to be called on the first thread
// of the process, locked to it: that thread joins what is there, so that the child is born in it, and goes back. A time
// namespace it cannot leave again; it is that of its later children, and of nobody else. setns(2), clone(2)
//
// Where there is a user namespace, new or not, the program runs as its user 0.
func (s *Set) Start(path string, argv []string, attr *syscall.ProcAttr) (pid int, err error) {
	leave, err := enter(s.joined)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, leave()) }()
	if s.Offsets != nil {
		if err := unshareTime(s.Offsets); err != nil {
			return 0, err
		}
	}
	attr.Sys.Cloneflags |= s.New
	if s.New&unix.CLONE_NEWUSER != 0 {
		attr.Sys.UidMappings, attr.Sys.GidMappings = idMap(s.UIDs), idMap(s.GIDs)
		attr.Sys.GidMappingsEnableSetgroups = true
		// Without an execve as user 0 it would lose the capabilities that it has in the namespace. capabilities(7)
		attr.Sys.Credential = &syscall.Credential{Uid: 0, Gid: 0}
	}
	if len(s.alone) == 0 {
		return syscall.ForkExec(path, argv, attr)
	}
	return forkAlone(path, argv, attr, s.alone)
}

func idMap(list []specs.LinuxIDMapping) []syscall.SysProcIDMap {
	all := make([]syscall.SysProcIDMap, len(list))
	for i, m := range list {
		all[i] = syscall.SysProcIDMap{ContainerID: int(m.ContainerID), HostID: int(m.HostID), Size: int(m.Size)}
	}
	return all
}

// enter joins namespaces with this thread. leave goes back to those that it was in.
func enter(handles []handle) (leave func() error, err error) {
	var before []handle
	leave = func() error {
		var errs []error
		for _, h := range before {
			errs = append(errs, unix.Setns(int(h.file.Fd()), int(h.flags)), h.file.Close())
		}
		return errors.Join(errs...)
	}
	for _, h := range handles {
		for _, k := range Kinds {
			if h.flags&k.Flag == 0 {
				continue
			}
			file, err := os.Open("/proc/thread-self/ns/" + k.File)
			if err != nil {
				return nil, errors.Join(err, leave())
			}
			before = append(before, handle{file, k.Flag})
		}
		if err := unix.Setns(int(h.file.Fd()), int(h.flags)); err != nil {
			return nil, errors.Join(fmt.Errorf("join a namespace of %s: %w", h.file.Name(), err), leave())
		}
	}
	return leave, nil
}

// unshareTime makes a time namespace for the children of this thread, and sets how far its clocks are from the host's, before
// there is any. time_namespaces(7)
func unshareTime(offsets map[string]specs.LinuxTimeOffset) error {
	if err := unix.Unshare(unix.CLONE_NEWTIME); err != nil {
		return fmt.Errorf("make a time namespace: %w", err)
	}
	for clock, offset := range offsets {
		line := fmt.Sprintf("%s %d %d\n", clock, offset.Secs, offset.Nanosecs)
		if err := os.WriteFile("/proc/self/timens_offsets", []byte(line), 0); err != nil {
			return fmt.Errorf("linux.timeOffsets.%s: %w", clock, err)
		}
	}
	return nil
}
