//go:build linux

// Package terminal runs on the host side, in the process that the caller has started. It knows two terminals: the caller's (Console) and the
// terminal of the command (Terminal), of which this process has the master. A Connection passes on what is typed at the one and shown at
// the other. Signals are caught for the command.
package terminal

import (
	"os"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// A Console is the terminal that we are on: that of the caller. It is read here and nowhere in the container.
type Console struct {
	In, Out *os.File
	// settings are those it had at first, nil if In is no terminal. termios(3)
	settings *unix.Termios
	// Changed is told of settings that the terminal has to get back, and of nil when it has them again. Nobody is told if Changed is nil.
	Changed func(settings *unix.Termios)
}

// NewConsole remembers the settings of the terminal that in is, if it is one.
func NewConsole(in, out *os.File) *Console {
	settings, err := unix.IoctlGetTermios(int(in.Fd()), unix.TCGETS)
	if err != nil {
		settings = nil
	}
	return &Console{In: in, Out: out, settings: settings}
}

// IsTerminal reports whether what is typed and what is shown are of a terminal. Such a terminal shows all as it comes, so that a new
// line needs CR LF. See Start.
func (c *Console) IsTerminal() bool {
	return c.settings != nil && term.IsTerminal(int(c.Out.Fd()))
}

// Size returns the size of the terminal, nil if it is none.
func (c *Console) Size() *unix.Winsize {
	size, err := unix.IoctlGetWinsize(int(c.Out.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return nil
	}
	return size
}

// Restore sets the terminal to the settings that it had at first. In the background it is somebody else's.
func (c *Console) Restore() {
	if c.settings != nil && c.InForeground() {
		_ = unix.IoctlSetTermios(int(c.In.Fd()), unix.TCSETS, c.settings)
	}
}

func (c *Console) changed(settings *unix.Termios) {
	if c.Changed != nil {
		c.Changed(settings)
	}
}

// InForeground reports whether what is typed is for us. At a terminal that is not that of our session there is no other job.
func (c *Console) InForeground() bool {
	group, err := unix.IoctlGetInt(int(c.In.Fd()), unix.TIOCGPGRP)
	return err != nil || group == unix.Getpgrp()
}
