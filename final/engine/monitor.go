//go:build linux

package engine

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"container-workshop/final/calls"
	"container-workshop/final/container"
	"container-workshop/final/engine/logs"
	"container-workshop/final/process"
	"container-workshop/final/terminal"
)

// Quiet is how long the monitor waits for output before it becomes a list. To become final and a list again takes 5 ms of a processor. So
// even a container that prints a line each time just after the monitor has become a list costs the host less than two thousandths of a
// processor. Tests set Quiet.
var Quiet = 3 * time.Second

// A monitor is what the monitor of a container works with. All that it knows is in its descriptors and in its note, so another program can
// take its place in the process at any time.
type monitor struct {
	store  *container.Store
	run    *container.Run
	keeper *logs.Keeper
	// input is the other end of the command's standard input, or -1. The monitor keeps it open, and never writes.
	input int
}

// A note is what a monitor leaves for itself while its process is a list. All numbers are descriptors.
type note struct {
	Container container.Kept
	Log       logs.Saved
	// Peer is that of the container's terminal, or -1. Self is this program.
	Peer, Input, Self int
	// Root is that of the store.
	Root string
}

// WakeMonitor is the monitor again after it was a list. Its standard input is its note.
func WakeMonitor(store *container.Store) (int, error) {
	// The Go runtime goes on ignoring SIGHUP and SIGINT, as the list did. A SIGTERM that comes while the runtime starts ends the monitor.
	signal.Ignore(ignored...)
	m, err := wake(store)
	if err != nil {
		return process.StatusFailed, fmt.Errorf("go on as a monitor: %w", err)
	}
	return m.watch()
}

func wake(store *container.Store) (*monitor, error) {
	content, err := io.ReadAll(os.Stdin)
	if err != nil {
		return nil, err
	}
	var n note
	if err := json.Unmarshal(content, &n); err != nil {
		return nil, err
	}
	unix.Close(n.Self)
	store.Root = n.Root
	m := &monitor{store: store, run: store.Resume(n.Container), input: n.Input}
	for _, stream := range n.Log.Streams {
		if stream.Terminal {
			m.run.Terminal = terminal.Resume(stream.FD, n.Peer, m.run.Pidfd)
		}
	}
	m.keeper, err = n.Log.Restore(m.run.Terminal)
	return m, err
}

// watch keeps the log until the container ends, and then closes the log.
func (m *monitor) watch() (int, error) {
	for !m.keeper.Copy(m.run.Pidfd, Quiet) {
		// If the monitor cannot become a list, it goes on as it is.
		_ = m.rest()
	}
	r, keeper := m.run, m.keeper
	status := r.WaitDetached()
	keeper.Finish()
	if err := r.OOM(status); err != nil {
		keeper.Note(fmt.Sprintf("%s: %v", filepath.Base(os.Args[0]), err))
	}
	// Now the log is complete: logs --follow ends here.
	err := keeper.Close()
	if !r.Keep {
		return 0, cmp.Or(r.Remove(), err)
	}
	return 0, cmp.Or(r.Finish(status), err)
}

// rest makes the monitor a list, which waits and costs next to nothing. The process stays: the parent of process 1, in its session, with
// the lock of the log. Output that comes meanwhile waits in the kernel. rest returns only if it fails.
func (m *monitor) rest() error {
	n := note{Container: m.run.Leave(), Log: m.keeper.Save(), Peer: -1, Input: m.input, Root: m.store.Root}
	open := append(n.Log.Descriptors(), n.Container.Pin, n.Container.Pidfd)
	if m.run.Terminal != nil {
		n.Peer = int(m.run.Terminal.Peer.Fd())
		open = append(open, n.Peer)
	}
	if m.input != -1 {
		open = append(open, m.input)
	}
	var err error
	if n.Self, err = unix.Open("/proc/self/exe", unix.O_PATH|unix.O_CLOEXEC, 0); err != nil {
		return err
	}
	defer unix.Close(n.Self)
	for _, fd := range append(open, n.Self) {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
			return os.NewSyscallError("fcntl", err)
		}
	}
	if err := n.write(); err != nil {
		return err
	}
	signal.Ignore(ignored...)
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &blocked, nil); err != nil {
		return os.NewSyscallError("sigprocmask", err)
	}
	args := []string{os.Args[0], "monitor", m.run.ID}
	return n.list(args).Execute(args)
}

// ignored are the signals that a monitor ignores as soon as its container runs. Before, it catches them: the command would inherit that
// they are ignored.
var ignored = []os.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGTERM, unix.SIGXFSZ}

// blocked are all other signals but SIGQUIT, and SIGURG, which Go sends to itself. Most of them do nothing to a Go program, but would end a
// list. execve keeps both ignored and blocked signals. signal(7)
var blocked = func() (set unix.Sigset_t) {
	set.Val[0] = ^uint64(0)
	for _, sig := range append([]os.Signal{unix.SIGQUIT, unix.SIGURG}, ignored...) {
		set.Val[0] &^= 1 << (sig.(unix.Signal) - 1)
	}
	return set
}()

// write makes the note our standard input, which the next program inherits.
func (n *note) write() error {
	content, err := json.Marshal(n)
	if err != nil {
		return err
	}
	fd, err := unix.MemfdCreate("note", unix.MFD_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("memfd_create", err)
	}
	defer unix.Close(fd)
	if _, err := unix.Pwrite(fd, content, 0); err != nil {
		return fmt.Errorf("write a file in memory: %w", err)
	}
	return os.NewSyscallError("dup3", unix.Dup3(fd, 0, 0))
}

// list is the monitor while nothing happens. It waits for output and for the end of process 1, and then becomes final again. That can fail
// while somebody replaces the program, or when the memory is short: then the list tries again.
func (n *note) list(args []string) *calls.List {
	l := calls.New("monitor", false)
	l.Socket(n.Container.Pidfd)
	polled := [3]unix.PollFd{{Fd: int32(n.Container.Pidfd), Events: unix.POLLIN}, {Fd: -1}, {Fd: -1}}
	for i := range n.Log.Streams {
		polled[i+1] = n.Log.Streams[i].Poll()
	}
	again := l.Label()
	l.Mark(again)
	l.Stage("ppoll(output, process 1)", "poll(2)", 0)
	l.Do(unix.SYS_PPOLL, l.Struct(&polled), len(polled), nil, nil, 0).On(-int64(unix.EINTR), again).Ignore()
	l.Stage("execve(final monitor)", "execve(2)", 0)
	l.Do(unix.SYS_EXECVEAT, n.Self, "", l.Strings(args), l.Strings(os.Environ()), unix.AT_EMPTY_PATH).Ignore()
	l.Stage("nanosleep(1 s)", "clock_nanosleep(2)", 0)
	l.Do(unix.SYS_CLOCK_NANOSLEEP, unix.CLOCK_MONOTONIC, 0, l.Struct(&unix.Timespec{Sec: 1}), nil).Ignore()
	l.Goto(again)
	return l
}
