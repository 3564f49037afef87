//go:build linux

package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"container-workshop/final/container"
	"container-workshop/final/engine"
	"container-workshop/final/engine/logs"
	"container-workshop/final/process"
)

// showLogs prints what a detached container has printed.
func showLogs(store *container.Store, args []string) (int, error) {
	set := flagSet("logs", "[flags] ID", "print the output of a detached container")
	o := logs.Options{Tail: -1}
	set.BoolVarP(&o.Follow, "follow", "f", false, "wait for new lines until the container ends")
	set.BoolVarP(&o.Timestamps, "timestamps", "t", false, "show when each line was printed")
	tail := set.StringP("tail", "n", "all", "show only the last `N` lines")
	since := set.String("since", "", "show only lines since `TIME`, such as 2026-11-28T18:00:00Z,\nseconds since 1970, or a duration such as 10m")
	if err := parse(set, args, 1, 1); err != nil {
		return process.StatusFailed, err
	}
	var err error
	if *tail != "all" {
		if o.Tail, err = strconv.Atoi(*tail); err != nil || o.Tail < 0 {
			return process.StatusFailed, fmt.Errorf("--tail %q: must be a number of lines, or all", *tail)
		}
	}
	if *since != "" {
		if o.Since, err = logs.ParseSince(*since, time.Now()); err != nil {
			return process.StatusFailed, fmt.Errorf("--since %w", err)
		}
	}
	var dir *os.File
	if dir, o.Ended, err = engine.OpenLog(store, set.Arg(0)); err != nil {
		return process.StatusFailed, err
	}
	defer dir.Close()
	return 0, logs.Read(dir, o, os.Stdout, os.Stderr)
}
