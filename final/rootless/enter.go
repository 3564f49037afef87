//go:build linux

package rootless

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"container-workshop/final/calls"
	"container-workshop/final/owned"
)

// An Entry says how final enters a user namespace.
type Entry struct {
	// PID is a process in the user namespace of a running container. 0 makes a new user namespace.
	PID int
	// Keep is the number of descriptors from 3 on that stay open.
	Keep int
	// Dirs are directories whose contents final believes, or the paths of directories that it will make.
	Dirs []string
	// Warn gets a warning about what does not work in the user namespace.
	Warn func(message string)
}

// Enter makes final enter the user namespace, with a mount namespace of its own, and execute itself again with the same arguments. The process
// stays the same, so its terminal, its signals and its exit status are those of one program. Enter returns only if it fails.
//
// The list of system calls does this, because a process with several threads, as all Go programs are, cannot change its user namespace.
//
//	the list                                  two children of the list
//	clone, clone ---------------------------> wait for a byte
//	unshare(CLONE_NEWUSER | CLONE_NEWNS)
//	write(2 bytes) -------------------------> execve newuidmap and newgidmap, which are setuid root or have capabilities:
//	keeps its capabilities                    they look into /etc/subuid and /etc/subgid, and write the ID maps of the list
//	execve final                                |
//	Arrive, in final: waits <-------------------+
func (e *Entry) Enter() error {
	for _, dir := range e.Dirs {
		if err := check(dir); err != nil {
			return err
		}
	}
	if Home() == "" {
		return errors.New("no place for the files of your containers: set HOME or XDG_DATA_HOME to an absolute path")
	}
	w := &way{List: calls.New("final", false), namespace: -1}
	var err error
	if e.PID != 0 {
		if w.namespace, err = outerNamespace(e.PID); err != nil {
			return err
		}
	} else {
		var why error
		host := ThisHost()
		if err := host.Restricted(); err != nil && os.Geteuid() != 0 {
			return err
		}
		switch w.maps, why = host.ids(); {
		case why == nil || !First("few-ids"):
		case w.newuidmap == "":
			e.Warn(fmt.Sprintf("the container has only user 0 and group 0, so --user, chown, and most package managers fail: %v", why))
		default:
			e.Warn(why.Error())
		}
	}
	if err := w.open(e.Keep); err != nil {
		return err
	}
	defer w.close()
	w.calls()
	return fmt.Errorf("enter a user namespace: %w", w.Execute(os.Args))
}

// check refuses a directory if another user could put files into it. In the user namespace nobody can tell the host's root from other users,
// so this comes before. What is missing in a directory such as /tmp is made now: later somebody else could be first.
func check(dir string) error {
	fd, err := owned.OpenShared(dir)
	missing := ""
	for errors.Is(err, os.ErrNotExist) && dir != "/" {
		missing, dir = dir, filepath.Dir(dir)
		fd, err = owned.OpenShared(dir)
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil || missing == "" || stat.Mode&unix.S_ISVTX == 0 {
		return err
	}
	if err := unix.Mkdirat(fd, filepath.Base(missing), 0o700); err != nil && err != unix.EEXIST {
		return &os.PathError{Op: "mkdir", Path: missing, Err: err}
	}
	made, err := owned.OpenShared(missing)
	unix.Close(made)
	return err
}

// A way is the list that enters a user namespace.
type way struct {
	*calls.List
	maps
	// namespace is a descriptor of an existing user namespace, or -1.
	namespace int
	// self is this program. read and write are the ends of the pipe on which the children wait, and descriptors of the children afterwards.
	self, read, write int
	// env is our environment.
	env []any
	// failures are the places at the end of the list where final says what has failed.
	failures []failure
	result   calls.Slot
	// marker has the address of the variable Marker for the final that begins at the end of the list.
	marker calls.Slot
	end    calls.Label
}

type failure struct {
	at     calls.Label
	marker string
}

// open opens the descriptors of the list, above those that stay open.
func (w *way) open(keep int) error {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return os.NewSyscallError("pipe", err)
	}
	self, err := unix.Open("/proc/self/exe", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open /proc/self/exe: %w (is /proc mounted? mount -t proc proc /proc)", err)
	}
	w.self, w.read, w.write = self, pipe[0], pipe[1]
	for _, number := range []*int{&w.self, &w.read, &w.write, &w.namespace} {
		if *number == -1 {
			continue
		}
		// final counts the descriptors that stay open up to the first number without one: see leftOpen.
		fd, err := unix.FcntlInt(uintptr(*number), unix.F_DUPFD, 4+keep)
		if err != nil {
			return os.NewSyscallError("fcntl", err)
		}
		unix.Close(*number)
		*number = fd
	}
	for fd := 3; fd < 3+keep; fd++ {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
			return os.NewSyscallError("fcntl", err)
		}
	}
	return nil
}

// close is for a failure.
func (w *way) close() {
	for _, fd := range []int{w.self, w.read, w.write, w.namespace} {
		unix.Close(fd)
	}
}

func (w *way) calls() {
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, Marker+"=") {
			w.env = append(w.env, variable)
		}
	}
	if os.Getenv(turns) == "" {
		w.env = append(w.env, turns+"="+oneTurn)
	}
	w.Socket(w.self)
	w.result, w.marker, w.end = w.Slot(), w.Slot(), w.Label()
	if w.namespace != -1 {
		w.Stage("setns(user namespace)", "setns(2)", 0)
		w.try("join", unix.SYS_SETNS, w.namespace, unix.CLONE_NEWUSER)
		w.Do(unix.SYS_CLOSE, w.namespace).Ignore()
		w.Stage("unshare(CLONE_NEWNS)", "unshare(2)", 5)
		w.try("unshare", unix.SYS_UNSHARE, unix.CLONE_NEWNS)
		w.become()
	} else {
		w.make()
	}
	marker := strconv.Itoa(os.Getuid())
	if w.newuidmap != "" {
		marker += fmt.Sprintf(":%d:%d", w.read, w.write)
	}
	w.again(marker)
	for _, f := range w.failures {
		w.Mark(f.at)
		w.again(f.marker)
	}
	w.execute()
}

// told are the errors that final tells apart.
var told = []unix.Errno{unix.EPERM, unix.ENOSPC, unix.EINVAL, unix.EUSERS}

// try adds a call, and returns the slot of its result. If the call fails, the list executes final again, which says why: see Failed.
func (w *way) try(what string, nr uintptr, args ...any) calls.Slot {
	result := w.Slot()
	w.Set(result, -1)
	call := w.Do(nr, args...).To(result).Ignore()
	for _, errno := range told {
		call.On(-int64(errno), w.failure(fmt.Sprintf("!%s:%d", what, errno)))
	}
	w.Set(w.result, result).On(-1, w.failure("!"+what))
	return result
}

func (w *way) failure(marker string) calls.Label {
	for _, f := range w.failures {
		if f.marker == marker {
			return f.at
		}
	}
	at := w.Label()
	w.failures = append(w.failures, failure{at, marker})
	return at
}

// again goes on at the end of the list, where final executes itself again, with a value for the marker.
func (w *way) again(marker string) {
	w.Set(w.marker, w.Bytes([]byte(Marker+"="+marker+"\x00")))
	w.Goto(w.end)
}

// execute executes final again.
func (w *way) execute() {
	w.Mark(w.end)
	w.Stage("execve(final)", "execve(2)", 0)
	w.Do(unix.SYS_FCNTL, w.self, unix.F_SETFD, unix.FD_CLOEXEC).Ignore()
	// The last variable is the marker. All addresses of a list have 32 bits.
	env := w.StringPointers(append(w.env, "")...)
	w.Store(env, 8*len(w.env), w.marker)
	w.Do(unix.SYS_EXECVEAT, w.self, "", w.Strings(os.Args), env, unix.AT_EMPTY_PATH).Ignore()
	w.Exit(125)
}
