//go:build linux

// Package container runs on the host side. It knows the life of one container: how it is made, what is kept of it, how it ends.
//
// How the two sides talk, over a pair of sockets of which process 1 has the other end as its descriptor 3:
//
//	host side                                          container side (package inside)
//	clone, with new namespaces ----------------------> execve of this program, from a read-only mount
//	makes the cgroups, meanwhile
//	Config ------------------------------------------> makes the container around itself: mounts, root, terminal
//	       <------------------------------------------ Report: ready, or why not; with the terminal, if there is one
//	puts it into the cgroups, writes the state
//	go on -------------------------------------------> gives up its rights, and becomes the command: execve
//	       <------------------------------------------ the socket is closed by that; or Report: why not
//	waits, and passes signals on
//	removes cgroups, overlay and state
//
// The container side joins its cgroups so late because nothing of this program is to count against the limits of the command.
package container

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/inside"
	"container-workshop/final/stage"
)

// A Failure is an error with the exit status that goes with it.
type Failure struct {
	Status int
	Err    error
}

func (f *Failure) Error() string { return f.Err.Error() }

func (f *Failure) Unwrap() error { return f.Err }

// A Request is what a container is made from.
type Request struct {
	ID   string
	Spec *specs.Spec
	// Filter is the compiled seccomp profile of Spec, and FilterFlags go with it.
	Filter      []unix.SockFilter
	FilterFlags uint
	// Bundle is the directory of the configuration, if there is one.
	Bundle string
	// Files are what to write into the directory of the container, by name.
	Files map[string]string
	// Streams are the standard streams of the command. Those of one with a terminal are not used. A nil one is /dev/null, but
	// with Log what comes out goes there.
	Streams [3]*os.File
	Log     bool
	// Size is that of the terminal.
	Size *unix.Winsize
	// Detached says that the container is to outlive us.
	Detached bool
	// Keep says that the container stays when its command ends.
	Keep bool
	// Explain asks for records of what is done.
	Explain bool
}

// A Run is a container that this process has made, and whose process 1 is its child.
type Run struct {
	Container
	request *Request
	cmd     *exec.Cmd
	socket  inside.Socket
	// Terminal is the master of the command's terminal, nil if it has none.
	Terminal *os.File
	List     stage.List
}

// Create makes a container up to the point where its command has only to be started. If that fails nothing is left of it.
func Create(root string, request *Request) (*Run, error) {
	r := &Run{request: request, socket: -1, List: stage.List{Side: "host", Explain: request.Explain}}
	r.lock = -1
	if err := r.create(root); err != nil {
		return nil, errors.Join(err, r.Remove())
	}
	return r, nil
}

// start starts process 1 with the other end of a pair of sockets.
func (r *Run) start(flags uintptr) error {
	self, err := sealedSelf()
	if err != nil {
		return err
	}
	defer self.Close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	r.socket = inside.Socket(pair[0])
	theirs := os.NewFile(uintptr(pair[1]), "socket")
	defer theirs.Close()

	r.cmd = exec.Command(fmt.Sprintf("/proc/self/fd/%d", self.Fd()))
	r.cmd.Args = []string{os.Args[0], "inside"}
	r.cmd.ExtraFiles = []*os.File{theirs}
	if err := r.streams(); err != nil {
		return err
	}
	r.cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: flags, Setsid: true}
	if !r.request.Detached {
		r.cmd.SysProcAttr.Pdeathsig = unix.SIGKILL
	}
	err = r.cmd.Start()
	if errors.Is(err, unix.EPERM) {
		err = fmt.Errorf("%w (%s)", err, whyNotPermitted())
	}
	return err
}

// streams connects the standard streams, unless the command is to have a terminal. A log is written to by the command itself,
// so that it does not depend on us.
func (r *Run) streams() error {
	streams := r.request.Streams
	if r.request.Log {
		log, err := os.OpenFile(r.State.Log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		streams[1], streams[2] = log, log
	}
	if r.request.Spec.Process.Terminal {
		return nil
	}
	// A nil file in an interface is not nil.
	if streams[0] != nil {
		r.cmd.Stdin = streams[0]
	}
	if streams[1] != nil {
		r.cmd.Stdout = streams[1]
	}
	if streams[2] != nil {
		r.cmd.Stderr = streams[2]
	}
	return nil
}

// answer waits for what the container side has to say. It returns io.EOF if that is nothing.
func (r *Run) answer() (descriptor int, err error) {
	var report inside.Report
	descriptor, err = r.socket.Receive(&report)
	if err != nil {
		return -1, err
	}
	r.List.Records = append(r.List.Records, report.Records...)
	if report.Error != "" {
		return -1, &Failure{report.Status, errors.New(report.Error)}
	}
	return descriptor, nil
}

// Start lets the container become its command. It returns when that has happened.
func (r *Run) Start() error {
	if err := r.socket.Send(struct{}{}); err != nil {
		return fmt.Errorf("the container has ended before its command was started: %w", err)
	}
	for {
		// Records come first, if they are asked for.
		if _, err := r.answer(); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
	}
	unix.Close(int(r.socket))
	r.socket = -1
	defer r.Close()
	return r.set(specs.StateRunning)
}

func (r *Run) set(status specs.ContainerState) error {
	r.Status = status
	return r.save()
}

// Remove ends the container and removes all that is left of it. It is no error if parts of it are gone, or were never there.
func (r *Run) Remove() error {
	if r.socket != -1 {
		unix.Close(int(r.socket))
		r.socket = -1
	}
	if r.cmd != nil && r.cmd.Process != nil && r.cmd.ProcessState == nil {
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait()
	}
	if r.dir == "" || r.lock == -1 && !r.reopen() {
		return nil
	}
	return r.Container.remove()
}

// Finish notes how the command has ended, in a container that is kept.
func (r *Run) Finish(status int) error {
	if !r.reopen() {
		return nil
	}
	defer r.Close()
	err := r.Cgroup.Remove()
	r.Cgroup, r.Pid, r.Exit = nil, 0, &status
	return errors.Join(err, r.set(specs.StateStopped))
}

// reopen takes the lock again, if the container is still the one that we have made.
func (r *Run) reopen() bool {
	c := Container{dir: r.dir, lock: -1}
	if c.acquire() != nil {
		return false
	}
	if c.load() != nil || c.Maker != r.Maker || !c.Created.Equal(r.Created) {
		c.Close()
		return false
	}
	r.lock = c.lock
	return true
}

// remove removes the cgroups, what was written, and the state, in this order: what is left if we are killed meanwhile can be
// removed again.
func (c *Container) remove() error {
	var err error
	if c.Cgroup != nil {
		err = c.Cgroup.Remove()
	}
	if err == nil && c.Overlay != "" {
		err = os.RemoveAll(c.Overlay)
	}
	if err == nil {
		err = os.RemoveAll(c.dir)
	}
	c.Close()
	return err
}

// OOM returns the limit on memory in bytes if the kernel has killed a process of the container for it, or 0.
func (r *Run) OOM() int64 {
	if kills, limit, err := r.Cgroup.OOMKills(); err == nil && kills > 0 {
		return limit
	}
	return 0
}

func whyNotPermitted() string {
	if os.Geteuid() != 0 {
		return "a container needs root: use sudo"
	}
	return "a container needs root with CAP_SYS_ADMIN, which root in another container does not have: run it on the host, or with --privileged there"
}

// The exit status for a failure of ours, and for a command that cannot be executed or is not found.
const (
	StatusFailed        = inside.StatusFailed
	StatusNotExecutable = inside.StatusNotExecutable
	StatusNotFound      = inside.StatusNotFound
)
