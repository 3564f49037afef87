//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"container-workshop/final/stage"
)

// global is what stands before the verb.
var global struct {
	log, logFormat, rootless string
	debug, systemdCgroup     bool
	version                  bool
}

// checkLog refuses a log that cannot be written to, before anything is done.
func checkLog() error {
	if global.logFormat != "text" && global.logFormat != "json" {
		return fmt.Errorf("--log-format %q: want text or json", global.logFormat)
	}
	if global.log == "" {
		return nil
	}
	file, err := os.OpenFile(global.log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("--log: %w", err)
	}
	return file.Close()
}

// note writes a line to the log. Callers read the last error from there. It goes to standard error if there is no log, but for
// errors, which are there anyway.
func note(level, message string) {
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
		log, err := os.OpenFile(global.log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
		if err != nil {
			return
		}
		defer log.Close()
		file = log
	} else if level == "error" {
		return
	} else if global.logFormat != "json" {
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
