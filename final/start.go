//go:build linux

package main

import "container-workshop/final/container"

// startHeld lets a container run that create has made.
func startHeld(store *container.Store, args []string) (int, error) {
	set := flagSet("start", "ID", "start the command of a created container")
	if err := parse(set, args, 1, 1); err != nil {
		return container.StatusFailed, err
	}
	return 0, store.Start(set.Arg(0))
}
