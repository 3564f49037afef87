//go:build linux

// Package guard is a process of its own, which cleans up after another process of the host side if somebody kills that.
//
// Who starts it: run, exec and the monitor of a detached container (Start). Where it is: on the host, in a session of its own. What it
// sees: the terminal of the caller, and a pipe by which it is told what to look after. How it ends: with the process that has
// started it, by Dismiss; or, when that has been killed, by itself, when everything is cleaned up.
package guard

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"container-workshop/final/container"
	"container-workshop/final/process"
	"container-workshop/final/terminal"
)

// A Guard is a process that cleans up if somebody kills us, which we cannot do ourselves. It reads from a pipe until our end is closed.
// Then it restores the terminal, and removes the container.
type Guard struct {
	pid    int
	pipe   *os.File
	charge charge
}

// A charge is what a guard looks after.
type charge struct {
	Root, ID string
	// Maker is the process that makes the container.
	Maker   int
	Started string
	// Settings are the settings to restore, nil if the terminal has them.
	Settings *unix.Termios
}

// Start starts a guard for a terminal. The guard has its own session, so no key and no signal to our process group ends it.
func Start(console *terminal.Console) (*Guard, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	g := &Guard{pipe: write}
	g.pid, err = syscall.ForkExec("/proc/self/exe", []string{os.Args[0], "guard"}, &syscall.ProcAttr{
		Env:   process.SmallEnv(),
		Files: []uintptr{read.Fd(), console.In.Fd(), os.Stderr.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if errors.Is(err, unix.ENOENT) {
		err = errors.New("/proc is not mounted: mount -t proc proc /proc")
	}
	if err != nil {
		write.Close()
		return nil, err
	}
	console.Changed = g.restore
	return g, nil
}

// Watch tells the guard which container we are about to make.
func (g *Guard) Watch(root, id string, console *terminal.Console) error {
	g.charge = charge{Root: root, ID: id, Maker: os.Getpid(), Started: container.StartTime(os.Getpid())}
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
	err := json.NewEncoder(g.pipe).Encode(&g.charge)
	if errors.Is(err, unix.EPIPE) {
		err = errors.New("somebody has killed the guard process of the container")
	}
	return err
}

// Dismiss ends the guard when there is nothing left to look after.
func (g *Guard) Dismiss() {
	_ = unix.Kill(g.pid, unix.SIGKILL)
	g.pipe.Close()
	for {
		if _, err := unix.Wait4(g.pid, nil, 0, nil); err != unix.EINTR {
			return
		}
	}
}

// WatchOver is the guard at work. Its standard input is the pipe, and its standard output is the terminal. The pipe also tells the root of
// the store.
func WatchOver(store *container.Store) error {
	signal.Ignore(unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM)
	var c charge
	for words := json.NewDecoder(os.Stdin); ; {
		var next charge
		err := words.Decode(&next)
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return err
		}
		c = next
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
	go func() {
		by := Standby{Signals: terminal.CatchSignals()}
		by.Guard, by.Err = Start(console)
		done <- by
	}()
	return done
}
