//go:build linux

// Package report runs in the final that you have started. It tells you what has happened: errors and warnings, on standard error and in the
// log, the table of --explain, and what can be shown at a terminal of words that a container has chosen.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"container-workshop/final/spec"
	"container-workshop/final/stage"
)

// A Log is where errors and warnings go, too.
type Log struct {
	// File is empty if there is no log. Format is text or json.
	File, Format string
	// Debug asks for everything that final does.
	Debug bool
}

// Name is what this program is called by.
func Name() string { return filepath.Base(os.Args[0]) }

// Check refuses a log that cannot be written to, before anything is done.
func (l *Log) Check() error {
	if l.Format != "text" && l.Format != "json" {
		return fmt.Errorf("--log-format %q: must be text or json", l.Format)
	}
	if l.File == "" {
		return nil
	}
	file, err := openLog(l.File)
	if err != nil {
		return fmt.Errorf("--log: %w", err)
	}
	return file.Close()
}

// openLog opens the log to add to it. Others may write to its directory: no link that they have made there leads us to another
// file, and no FIFO keeps us waiting. Links of the kernel to what the caller has open, such as /dev/stderr, stand for just that.
func openLog(name string) (*os.File, error) {
	if fd := spec.DescriptorOf(name); fd >= 0 {
		log, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return nil, &os.PathError{Op: "open", Path: name, Err: err}
		}
		return os.NewFile(uintptr(log), name), nil
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY, 0o644)
	switch {
	case errors.Is(err, unix.ELOOP):
		return nil, fmt.Errorf("%s is a symbolic link (name its target instead)", name)
	case errors.Is(err, unix.ENXIO):
		return nil, fmt.Errorf("%s is a FIFO that nobody reads (use a file)", name)
	}
	return file, err
}

// Note writes a line to the log. Callers read the last error from there. It goes to standard error if there is no log, but for
// errors, which are there anyway.
func (l *Log) Note(level, message string) {
	message = OneLine(message)
	now := time.Now().Format(time.RFC3339)
	line := fmt.Appendf(nil, "time=%q level=%s msg=%q", now, level, message)
	if l.Format == "json" {
		line, _ = json.Marshal(struct {
			Level   string `json:"level"`
			Message string `json:"msg"`
			Time    string `json:"time"`
		}{level, message, now})
	}
	file := os.Stderr
	if l.File != "" {
		log, err := openLog(l.File)
		if err != nil {
			return
		}
		defer log.Close()
		file = log
	} else if level == "error" {
		return
	} else if l.Format != "json" && level != "debug" {
		line = fmt.Appendf(nil, "%s: %s: %s", Name(), level, message)
	}
	_, _ = file.Write(append(line, '\n'))
}

// Warn notes what is no failure.
func (l *Log) Warn(message string) { l.Note("warning", message) }

// Remark notes warnings about what nobody has asked for in so many words, as all capabilities are for --privileged: only for who wants to
// know everything.
func (l *Log) Remark(message string) {
	if l.Debug || l.File != "" {
		l.Warn(message)
	}
}

// Error prints an error, which is one line, and notes it.
func (l *Log) Error(err error) {
	message := OneLine(err.Error())
	fmt.Fprintf(os.Stderr, "%s: %s\n", Name(), message)
	l.Note("error", message)
}

// Left tells of what cannot be cleaned up of a container. That is no failure of the command, which has run: its status stays.
func (l *Log) Left(id string, err error) {
	if err == nil {
		return
	}
	message := OneLine(fmt.Sprintf("%v (the command has ended, but this part of its container is left: remove it with %s delete --force %s)", err, Name(), id))
	fmt.Fprintf(os.Stderr, "%s: warning: %s\n", Name(), message)
	if l.File != "" {
		l.Warn(message)
	}
}

// Calls notes what has been done, if that is asked for.
func (l *Log) Calls(records []stage.Record) {
	if !l.Debug {
		return
	}
	for _, r := range records {
		l.Note("debug", fmt.Sprintf("%s: %s, %s, %s", r.Side, r.Call, r.Man, max(r.Took, 0)))
	}
}
