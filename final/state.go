//go:build linux

package main

import (
	"os"

	"container-workshop/final/container"
	"container-workshop/final/process"
	"container-workshop/final/report"
)

func state(store *container.Store, args []string) (int, error) {
	set := flagSet("state", "ID", "print the state of a container as JSON")
	if err := parse(set, args, 1, 1); err != nil {
		return process.StatusFailed, err
	}
	// Do not wait for the lock of the container: a hook may ask for the state, and whoever waits for the hook has the lock.
	c, err := store.Glance(set.Arg(0))
	if err != nil {
		return process.StatusFailed, err
	}
	return 0, report.WriteJSON(os.Stdout, &c.Public, "  ")
}
