//go:build linux

package join

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"syscall"
	_ "unsafe" // for go:linkname

	"golang.org/x/sys/unix"

	"container-workshop/final/join/nofile"
)

// Two forks start a process in namespaces that exist already.
//
// The first child exists because setns(2) wants a process with a single thread before it lets the process into a user namespace
// or a time namespace. A Go program has several threads. Its child after fork has one.
//
// The second child exists because setns(2) into a PID namespace moves only later children of the caller. This suits us: the first
// child still has the host's root directory, and no process of the container can see it. CVE-2016-9962
//
//	this process              first child: one thread              second child: also our child, by CLONE_PARENT
//	fork -------------------> not dumpable any more
//	                          makes a time namespace, if wanted
//	                          joins namespaces, a user one last
//	                          clone, with new namespaces --------> is in the PID namespace
//	reads the PID <---------- writes the PID of the second child
//	reaps the first child     exits
//	writes the ID maps
//	writes a byte ----------------------------------------------> reads the byte
//	                                                              becomes user 0, if there is a user namespace
//	reads the end of file <-------------------------------------- execve of this program, by descriptor
//
// setns(2), pid_namespaces(7)

// The Go runtime wants to know of every fork. Package syscall calls these functions around its own forks: they block signals, and
// give the child the signal handlers of a new program.
//
//go:linkname beforeFork syscall.runtime_BeforeFork
func beforeFork()

//go:linkname afterFork syscall.runtime_AfterFork
func afterFork()

//go:linkname afterForkInChild syscall.runtime_AfterForkInChild
func afterForkInChild()

// A birth has everything that the two children need until execve. It is prepared before the fork: afterwards the children have no
// Go scheduler and no other threads, so they can neither allocate memory nor take a lock, and make raw system calls only.
type birth struct {
	offsetsFile *byte
	offsets     []byte
	join        []joining
	user        bool
	flags       uintptr
	// Both children write words to the pipe report. The second child reads from the pipe goOn, and then goes on.
	report, goOn uintptr
	deathSignal  uintptr
	files        []uintptr
	program      uintptr
	empty        *byte
	argv, env    **byte
}

// A joining holds the arguments of one setns(2).
type joining struct{ fd, flags uintptr }

// A word is a message from a child to this process: the PID of the second child, or the step that failed and the error.
type word struct {
	Pid, Errno int32
	Step       step
}

// A step is a part of the children's way that can fail.
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

// forkTwice starts a process that joins namespaces. Otherwise it does what syscall.ForkExec does.
func (s starter) forkTwice(program *os.File, argv []string, attr *syscall.ProcAttr) (pid int, err error) {
	if s.Mount && hasInterpreter() {
		return 0, errors.New("this program needs a dynamic linker, and would run the one of the container with the rights of the host's root: build it with CGO_ENABLED=0, and without -buildmode=pie")
	}
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
	defer theirReport.Close()
	theirGoOn, goOn, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer goOn.Close()
	defer theirGoOn.Close()
	b.report, b.goOn = theirReport.Fd(), theirGoOn.Fd()
	// The children inherit the limit on open files. This comes last, because this process may have more files open than the limit allows.
	if _, err := nofile.Restore(); err != nil {
		return 0, err
	}
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

// hasInterpreter reports whether the kernel started a dynamic linker for this program. Only then AT_BASE, the address of the dynamic
// linker, is not 0. getauxval(3)
func hasInterpreter() bool {
	const base = 7
	vector, err := unix.Auxv()
	return err != nil || slices.ContainsFunc(vector, func(entry [2]uintptr) bool { return entry[0] == base && entry[1] != 0 })
}

// newBirth prepares the way of the children.
func (s starter) newBirth(program *os.File, argv []string, attr *syscall.ProcAttr) (b *birth, err error) {
	b = &birth{flags: attr.Sys.Cloneflags | unix.CLONE_PARENT | uintptr(unix.SIGCHLD), deathSignal: uintptr(attr.Sys.Pdeathsig)}
	b.user = s.HasUser()
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
	// The second child moves the files to the numbers from 0 on. So it starts with copies that have higher numbers.
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

// await waits until the second child has executed the program, and returns its PID.
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
			// Execve has closed the other end of the pipe.
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
