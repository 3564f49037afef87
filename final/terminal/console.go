//go:build linux

// Package terminal runs on the host side, in the process that the caller has started. It knows two terminals: the caller's terminal
// (Console), and the terminal of the command (Terminal), whose master this process has. A Connection passes on keys in one direction
// and output in the other. Signals catches signals for the command.
package terminal

import (
	"os"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// A Console is the caller's terminal, or the files that stand in for a terminal. Only this process reads it: the container never gets it.
type Console struct {
	In, Out *os.File
	// settings are the settings that the terminal had at first. Nil if In is no terminal. termios(3)
	settings *unix.Termios
	// Changed is called with the settings to restore just before the terminal gets others, and with nil after they are restored. It can
	// be nil.
	Changed func(settings *unix.Termios)
}

// NewConsole returns a console for the caller's input and output. If the input is a terminal, the console remembers its settings.
func NewConsole(in, out *os.File) *Console {
	settings, err := unix.IoctlGetTermios(int(in.Fd()), unix.TCGETS)
	if err != nil {
		settings = nil
	}
	return &Console{In: in, Out: out, settings: settings}
}

// IsTerminal reports whether both input and output are terminals. Then Start puts the terminal into raw mode, where a line has to end
// with CR LF.
func (c *Console) IsTerminal() bool {
	return c.settings != nil && term.IsTerminal(int(c.Out.Fd()))
}

// Size returns the size of the terminal. It returns nil if the output is no terminal.
func (c *Console) Size() *unix.Winsize {
	size, err := unix.IoctlGetWinsize(int(c.Out.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return nil
	}
	return size
}

// Restore gives the terminal the settings that it had at first. In the background it does nothing: the terminal is in use by another job.
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

// InForeground reports whether this process gets the keys of the terminal. It does if the terminal is not the controlling terminal of
// this process, because then no shell shares the terminal among jobs. tcgetpgrp(3)
func (c *Console) InForeground() bool {
	group, err := unix.IoctlGetInt(int(c.In.Fd()), unix.TIOCGPGRP)
	return err != nil || group == unix.Getpgrp()
}
