//go:build linux

package join

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	_ "unsafe" // for go:linkname

	"golang.org/x/sys/unix"

	"container-workshop/final/join/nofile"
)

// What joins namespaces has to be a process with one thread: setns lets no other into a user namespace, or one of time. No Go
// program is one, but what fork leaves of it is. And it must not be seen by the container before it is one of its own: as long as
// it has the host's root directory and the host's rights it is not in the container's PID namespace. So there are two of them:
//
//	we                        first child, of one thread           second child, and ours too by CLONE_PARENT
//	fork -------------------> not dumpable any more
//	                          a new time namespace, if any
//	                          joins all others, that of users last
//	                          clone, with new namespaces --------> is in the PID namespace
//	writes the ID maps <----- its number
//	go on ------------------------------------------------------> user 0 of a user namespace
//	                                                              execve of this program, by descriptor
//
// setns(2), pid_namespaces(7), CVE-2016-9962

// The runtime of Go lets nobody else fork: these are what package syscall calls around it. They block signals, and set those of
// the child back to what they were before this program started.
//
//go:linkname beforeFork syscall.runtime_BeforeFork
func beforeFork()

//go:linkname afterFork syscall.runtime_AfterFork
func afterFork()

//go:linkname afterForkInChild syscall.runtime_AfterForkInChild
func afterForkInChild()

// A birth is all that the children need between fork and execve, prepared before: they may make raw system calls and do nothing
// else, as Go counts on threads that they do not have.
type birth struct {
	offsetsFile *byte
	offsets     []byte
	join        []joining
	user        bool
	flags       uintptr
	// report is what they write words to, and goOn what the second reads from before it goes on.
	report, goOn uintptr
	deathSignal  uintptr
	files        []uintptr
	program      uintptr
	openFiles    nofile.Limit
	empty        *byte
	argv, env    **byte
}

// A joining is the arguments of setns.
type joining struct{ fd, flags uintptr }

// A word is what a child says: the number of the second one, or else what has failed, and why.
type word struct {
	Pid, Errno int32
	Step       step
}

type step int32

const (
	stepTime step = iota
	stepJoin
	stepClone
	stepUser
	stepExec
)

var steps = [...]string{
	stepTime: "make a time namespace", stepJoin: "join the namespaces", stepClone: "clone", stepUser: "become user 0 of the user namespace",
	stepExec: "execve of this program",
}

// fork is what syscall.ForkExec does, for a process that joins namespaces.
func (s starter) fork(program *os.File, argv []string, attr *syscall.ProcAttr) (pid int, err error) {
	b, err := s.newBirth(program, argv, attr)
	if err != nil {
		return 0, err
	}
	defer b.close()
	report, theirReport, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer report.Close()
	theirGoOn, goOn, err := os.Pipe()
	if err != nil {
		theirReport.Close()
		return 0, err
	}
	defer goOn.Close()
	b.report, b.goOn = theirReport.Fd(), theirGoOn.Fd()
	syscall.ForkLock.Lock()
	first, errno := b.fork()
	syscall.ForkLock.Unlock()
	theirReport.Close()
	theirGoOn.Close()
	runtime.KeepAlive(s)
	if errno != 0 {
		return 0, fmt.Errorf("fork: %w", errno)
	}
	return s.await(int(first), report, goOn)
}

func (s starter) newBirth(program *os.File, argv []string, attr *syscall.ProcAttr) (b *birth, err error) {
	b = &birth{flags: attr.Sys.Cloneflags | unix.CLONE_PARENT | uintptr(unix.SIGCHLD), deathSignal: uintptr(attr.Sys.Pdeathsig)}
	b.user, b.openFiles = s.HasUser(), nofile.Inherited
	for _, h := range s.Joined {
		b.join = append(b.join, joining{h.File.Fd(), h.Flags})
	}
	if s.Offsets != nil {
		b.offsets = s.offsetLines()
		if b.offsetsFile, err = unix.BytePtrFromString("/proc/self/timens_offsets"); err != nil {
			return nil, err
		}
	}
	for _, list := range []struct {
		to      ***byte
		strings []string
	}{{&b.argv, argv}, {&b.env, attr.Env}} {
		pointers, err := syscall.SlicePtrFromStrings(list.strings)
		if err != nil {
			return nil, err
		}
		*list.to = &pointers[0]
	}
	b.empty = new(byte)
	// Copies, out of the way of the numbers that the files get in the child.
	for _, fd := range append([]uintptr{program.Fd()}, attr.Files...) {
		high, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, len(attr.Files))
		if err != nil {
			b.close()
			return nil, os.NewSyscallError("fcntl", err)
		}
		b.files = append(b.files, uintptr(high))
	}
	b.program, b.files = b.files[0], b.files[1:]
	return b, nil
}

func (b *birth) close() {
	for _, fd := range append(b.files, b.program) {
		unix.Close(int(fd))
	}
}

// await waits until the second child is the program, and returns its number.
func (s starter) await(first int, report io.Reader, goOn io.Writer) (pid int, err error) {
	var w word
	err = binary.Read(report, binary.NativeEndian, &w)
	reap(first)
	if err == nil && w.Errno != 0 {
		err = fmt.Errorf("%s: %w", steps[w.Step], syscall.Errno(w.Errno))
	}
	if err != nil {
		return 0, fmt.Errorf("start a process in existing namespaces: %w", err)
	}
	pid = int(w.Pid)
	if s.MakesUser() {
		err = s.writeMaps(pid)
	}
	if err == nil {
		_, err = goOn.Write([]byte{0})
	}
	if err == nil {
		err = binary.Read(report, binary.NativeEndian, &w)
		if errors.Is(err, io.EOF) {
			// Execve has closed it.
			return pid, nil
		}
	}
	if err == nil {
		err = fmt.Errorf("%s: %w", steps[w.Step], syscall.Errno(w.Errno))
	}
	_ = unix.Kill(pid, unix.SIGKILL)
	reap(pid)
	return 0, fmt.Errorf("start a process in existing namespaces: %w", err)
}

func reap(pid int) {
	for {
		if _, err := unix.Wait4(pid, nil, 0, nil); err != unix.EINTR {
			return
		}
	}
}
