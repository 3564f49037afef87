//go:build linux

package main

import (
	"container-workshop/final/container"
	"container-workshop/final/process"
)

// startHeld starts the command of a container that create has made.
func startHeld(store *container.Store, args []string) (int, error) {
	set := flagSet("start", "ID", "start the command of a created container")
	if err := parse(set, args, 1, 1); err != nil {
		return process.StatusFailed, err
	}
	return 0, store.Start(set.Arg(0))
}
