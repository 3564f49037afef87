//go:build linux

// Package guard runs on the host side, and in a process of its own there: the guard. If somebody kills run, exec or a monitor with SIGKILL,
// the guard cleans up in their place.
//
// Who starts the guard: run, exec and the monitor of a detached container, by Start. The guard begins as a list of a few system calls.
// Where it is: on the host, in a session of its own, with the host's root directory.
// What it sees: the terminal of the caller, a pipe, and a file in memory that says what to look after.
// How it ends: Dismiss kills it. If its parent has been killed, it becomes final, cleans up (WatchOver), and ends.
package guard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"container-workshop/final/calls"
	"container-workshop/final/container"
	"container-workshop/final/process"
	"container-workshop/final/quick"
	"container-workshop/final/terminal"
)

// A Guard is the guard of this process. As long as we live, the guard is a list of a few system calls (package calls), which needs 60 kB of
// memory: it waits until the kernel closes our end of a pipe. Only then it becomes final, restores the terminal, and removes the container.
type Guard struct {
	pid    int
	pipe   *os.File
	memory *os.File
	charge charge
	// length is that of the charge in the memory.
	length int
}

// maxCharge bounds what the guard reads, in bytes.
const maxCharge = 1 << 20

// A charge says what a guard looks after. We write it to a file in memory, which the guard reads when we are gone.
type charge struct {
	Root, ID string
	// Maker is the process that makes the container.
	Maker   int
	Started string
	// Settings are the settings to restore, nil if the terminal has them.
	Settings *unix.Termios
}

// Start starts a guard for a terminal. The guard has its own session, so no key and no signal to our process group ends it.
func Start(console *terminal.Console) (g *Guard, err error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	defer func() {
		if err != nil {
			write.Close()
		}
	}()
	fd, err := unix.MemfdCreate("charge", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	memory := os.NewFile(uintptr(fd), "charge")
	g = &Guard{pipe: write, memory: memory}
	self, err := os.OpenFile("/proc/self/exe", unix.O_PATH, 0)
	if errors.Is(err, unix.ENOENT) {
		err = errors.New("/proc is not mounted: mount -t proc proc /proc")
	}
	if err != nil {
		return nil, err
	}
	defer self.Close()
	files := []*os.File{memory, console.In, os.Stderr, read, self}
	g.pid, err = list().Start(files, &syscall.SysProcAttr{Setsid: true})
	if err != nil {
		return nil, err
	}
	console.Changed = g.restore
	return g, nil
}

// ignored are the signals that do not end a guard.
var ignored = []unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM}

// list is the guard as long as we live. Without any events to wait for, poll(2) still returns when the other end of the pipe closes.
func list() *calls.List {
	const pipe, self = 3, 4
	l := calls.New("guard", false)
	l.Socket(pipe)
	// struct sigaction of the kernel: SIG_IGN is 1.
	ignore := l.Struct(&[4]uint64{1})
	for _, sig := range ignored {
		l.Stage(fmt.Sprintf("sigaction(%s, SIG_IGN)", unix.SignalName(sig)), "sigaction(2)", 0)
		l.Do(unix.SYS_RT_SIGACTION, int(sig), ignore, 0, 8)
	}
	l.Stage("poll(pipe)", "poll(2)", 0)
	again := l.Label()
	l.Mark(again)
	l.Do(unix.SYS_PPOLL, l.Struct(&unix.PollFd{Fd: pipe}), 1, 0, 0, 0).On(-int64(unix.EINTR), again)
	l.Stage("execve(final guard)", "execve(2)", 0)
	l.Do(unix.SYS_EXECVEAT, self, "", l.Strings([]string{os.Args[0], "guard"}), l.Strings(process.SmallEnv()), unix.AT_EMPTY_PATH)
	return l
}

// Watch tells the guard which container we are about to make.
func (g *Guard) Watch(root, id string, console *terminal.Console) error {
	g.charge = charge{Root: root, ID: id, Maker: os.Getpid(), Started: container.OwnStart()}
	console.Changed = g.restore
	return g.tell()
}

// restore tells the guard which settings the terminal must get back. Nil means that the terminal has them.
func (g *Guard) restore(settings *unix.Termios) {
	if g != nil {
		g.charge.Settings = settings
		_ = g.tell()
	}
}

func (g *Guard) tell() error {
	content, err := quick.Marshal(&g.charge)
	if err != nil {
		return err
	}
	// One call writes everything, so nobody can kill us in the middle. Spaces cover the rest of an earlier, longer charge.
	content = append(content, bytes.Repeat([]byte{' '}, max(0, g.length-len(content)))...)
	g.length = len(content)
	if _, err = g.memory.WriteAt(content, 0); err == nil && !g.isThere() {
		err = errors.New("somebody has killed the guard process of the container")
	}
	return err
}

// Dismiss ends the guard when there is nothing left to look after.
func (g *Guard) Dismiss() {
	_ = unix.Kill(g.pid, unix.SIGKILL)
	g.close()
	for {
		if _, err := unix.Wait4(g.pid, nil, 0, nil); err != unix.EINTR {
			return
		}
	}
}

// isThere reports whether the guard has its end of the pipe open.
func (g *Guard) isThere() bool {
	end := []unix.PollFd{{Fd: int32(g.pipe.Fd())}}
	n, _ := unix.Poll(end, 0)
	return n == 0
}

func (g *Guard) close() {
	g.pipe.Close()
	g.memory.Close()
}

// WatchOver is the guard at work, when whoever has started it is gone. Its standard input is the charge, and its standard output is the
// terminal. The charge also tells the root of the store.
func WatchOver(store *container.Store) error {
	for _, sig := range ignored {
		signal.Ignore(sig)
	}
	content, err := io.ReadAll(io.NewSectionReader(os.Stdin, 0, maxCharge))
	if err != nil || len(content) == 0 {
		return err
	}
	var c charge
	if err := json.Unmarshal(content, &c); err != nil {
		return err
	}
	if c.Settings != nil {
		_ = unix.IoctlSetTermios(int(os.Stdout.Fd()), unix.TCSETS, c.Settings)
	}
	if c.ID == "" {
		return nil
	}
	// Hooks inherit our environment, and these variables would slow them down.
	process.UnsetSmall()
	store.Root = c.Root
	return store.CleanUp(c.ID, c.Maker, c.Started)
}

// A Standby has what must be there before a container is made.
type Standby struct {
	Signals *terminal.Signals
	Guard   *Guard
	Err     error
}

// StandBy catches signals and starts a guard, while the caller works on the configuration. Signals come first: as soon as there is another
// process, somebody could take it for the command, and send us a signal.
func StandBy(console *terminal.Console) <-chan Standby {
	done := make(chan Standby, 1)
	go func() { done <- StandByNow(console) }()
	return done
}

// StandByNow is StandBy for a caller who has nothing else to do.
func StandByNow(console *terminal.Console) Standby {
	by := Standby{Signals: terminal.CatchSignals()}
	by.Guard, by.Err = Start(console)
	return by
}
