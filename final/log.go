//go:build linux

package main

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

// global is what stands before the verb.
var global struct {
	log, logFormat, rootless string
	debug, systemdCgroup     bool
	version                  bool
	// cgroupManager is another word for systemdCgroup.
	cgroupManager string
	// rootSaid says that the caller has named the directory of all state.
	rootSaid bool
}

// checkLog refuses a log that cannot be written to, before anything is done.
func checkLog() error {
	if global.logFormat != "text" && global.logFormat != "json" {
		return fmt.Errorf("--log-format %q: must be text or json", global.logFormat)
	}
	if global.log == "" {
		return nil
	}
	file, err := openLog(global.log)
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

// note writes a line to the log. Callers read the last error from there. It goes to standard error if there is no log, but for
// errors, which are there anyway.
func note(level, message string) {
	message = oneLine(message)
	now := time.Now().Format(time.RFC3339)
	line := fmt.Appendf(nil, "time=%q level=%s msg=%q", now, level, message)
	if global.logFormat == "json" {
		line, _ = json.Marshal(struct {
			Level   string `json:"level"`
			Message string `json:"msg"`
			Time    string `json:"time"`
		}{level, message, now})
	}
	file := os.Stderr
	if global.log != "" {
		log, err := openLog(global.log)
		if err != nil {
			return
		}
		defer log.Close()
		file = log
	} else if level == "error" {
		return
	} else if global.logFormat != "json" && level != "debug" {
		line = fmt.Appendf(nil, "%s: %s: %s", filepath.Base(os.Args[0]), level, message)
	}
	_, _ = file.Write(append(line, '\n'))
}

// remark is for warnings about what nobody has asked for in so many words, as all capabilities are for --privileged.
func remark(message string) {
	if global.debug || global.log != "" {
		note("warning", message)
	}
}

// debug notes what has been done, if that is asked for.
func debug(records []stage.Record) {
	if !global.debug {
		return
	}
	for _, r := range records {
		note("debug", fmt.Sprintf("%s: %s, %s, %s", r.Side, r.Call, r.Man, max(r.Took, 0)))
	}
}
