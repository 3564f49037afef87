//go:build linux

package main

import (
	"errors"
	"slices"

	"container-workshop/final/container"
	"container-workshop/final/process"
)

// unsupported is a verb that callers may ask for: checkpoint, or restore.
func unsupported(verb string) func(*container.Store, []string) (int, error) {
	return func(_ *container.Store, args []string) (int, error) {
		if slices.Contains(args, "--help") || slices.Contains(args, "-h") {
			flagSet(verb, "ID", "not supported").Usage()
			return 0, nil
		}
		return process.StatusFailed, errors.New("checkpoint and restore are not supported: they need CRIU, which final does not use (stop the container, and run a new one)")
	}
}
