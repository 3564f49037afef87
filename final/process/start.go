//go:build linux

package process

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/become"
	"container-workshop/final/namespace"
)

// Start starts a process that makes the calls of a program. streams are its standard streams, nil for /dev/null, and more are open files
// for the command. A stream that the process replaces is no file of the host's meanwhile: where the container can look into the process,
// it could change the mode of the host's /dev/null.
func (p *Process) Start(program *become.Program, streams [3]*os.File, more []*os.File) error {
	err := p.start(program, streams, more)
	if err != nil && p.Into != nil && p.PID == 0 && !errors.Is(err, ErrGone) {
		// The cgroup may be the reason: too many processes, or no processes at all. A process that joins it later is not one too many, and
		// any other reason is in the error of the join.
		p.HangUp()
		p.Into = nil
		err = p.start(program, streams, more)
	}
	return err
}

func (p *Process) start(program *become.Program, streams [3]*os.File, more []*os.File) error {
	ours, theirs, err := pair()
	if err != nil {
		return err
	}
	p.Program, p.Socket = program, ours
	other := os.NewFile(uintptr(theirs), "socket")
	defer other.Close()
	files := make([]*os.File, 3)
	for i, stream := range streams {
		if err := checkStream(i, stream); err != nil {
			return err
		}
		if program.Replaces(i) {
			files[i] = other
			continue
		}
		if stream == nil {
			if stream, err = os.OpenFile("/dev/null", os.O_RDWR, 0); err != nil {
				return err
			}
			defer stream.Close()
		}
		files[i] = stream
	}
	files = append(append(append(files, more...), other), program.Files...)
	if program.Namespaces.NeedsEnter() {
		if err := ours.identify(); err != nil {
			return err
		}
	}
	pid, err := program.Start(files, p.attributes())
	// From here on only the process has the other end. When the process ends or becomes the command, we read the end of the file.
	other.Close()
	switch {
	case err != nil:
	case program.Namespaces.NeedsEnter():
		err = p.follow(pid)
	default:
		err = p.keep(pid)
	}
	return advised(err)
}

// keep opens a descriptor of the process, which is a child of ours.
func (p *Process) keep(pid int) (err error) {
	if p.Pidfd, err = unix.PidfdOpen(pid, 0); err != nil {
		_ = unix.Kill(pid, unix.SIGKILL)
		reap(pid)
		return os.NewSyscallError("pidfd_open", err)
	}
	p.PID = pid
	return nil
}

// attributes are those of the clone that starts the process. This clone makes the new namespaces, unless the process needs more: see enter in
// package become.
func (p *Process) attributes() *syscall.SysProcAttr {
	set := p.Program.Namespaces
	// In a session of its own, the process gets no keys and no signals of our terminal, except those that we pass on.
	attr := &syscall.SysProcAttr{Setsid: true, Pdeathsig: unix.SIGKILL}
	if p.Into != nil {
		attr.UseCgroupFD, attr.CgroupFD = true, int(p.Into.Fd())
	}
	if set.NeedsEnter() {
		return attr
	}
	attr.Cloneflags = set.New
	if set.MakesUser() {
		attr.UidMappings, attr.GidMappings = idMap(set.UIDs), idMap(set.GIDs)
		attr.GidMappingsEnableSetgroups = !namespace.KeepsGroups()
	}
	return attr
}

// follow waits for the second process, which goes on in place of the first one, and writes its ID maps. See enter in package become.
func (p *Process) follow(first int) error {
	pid, err := p.successor(first)
	reap(first)
	if pid != 0 {
		err = cmp.Or(p.keep(pid), err)
	}
	if err != nil {
		return err
	}
	set := p.Program.Namespaces
	if set.MakesUser() {
		err = writeMaps(pid, set)
	}
	if err == nil {
		err = p.Say()
	}
	if err != nil {
		return fmt.Errorf("start a process in its namespaces: %w", err)
	}
	return nil
}

// successor returns the PID of the second process. It believes only the first process: a container may have taken over the second one
// already, and would name a process of the host.
func (p *Process) successor(first int) (pid int, err error) {
	for {
		m, e := p.Socket.receive(maxMessage)
		switch {
		case e != nil:
			return 0, cmp.Or(err, e)
		case m.sender != first && m.word == 0:
			// The first process is about to say who has failed.
			err = p.failure(m.data)
		case m.sender != first:
			err = errors.New("start a process in its namespaces: a process of the container speaks in its place")
		case m.word == 0:
			return 0, p.failure(m.data)
		case m.word != become.WordPID || number(m.data) <= 0:
			return 0, ErrGone
		default:
			return number(m.data), err
		}
	}
}

func idMap(list []specs.LinuxIDMapping) []syscall.SysProcIDMap {
	all := make([]syscall.SysProcIDMap, len(list))
	for i, m := range list {
		all[i] = syscall.SysProcIDMap{ContainerID: int(m.ContainerID), HostID: int(m.HostID), Size: int(m.Size)}
	}
	return all
}

// writeMaps tells the kernel which ID on the host each ID of a process's user namespace stands for. user_namespaces(7)
func writeMaps(pid int, set *namespace.Set) error {
	for _, m := range []struct {
		file string
		list []specs.LinuxIDMapping
	}{{"uid_map", set.UIDs}, {"gid_map", set.GIDs}} {
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

// advised adds what to do about an error of the first calls that only some may make, and only newer kernels know.
func advised(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return ErrGone
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w (a container needs root with CAP_SYS_ADMIN, which root in another container lacks: run final on the host, or start the other container with --privileged)", err)
	case errors.Is(err, unix.ENOSYS):
		return fmt.Errorf("%w (the kernel is too old: final needs Linux 5.12 or later)", err)
	}
	return err
}
