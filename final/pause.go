//go:build linux

package main

import (
	"container-workshop/final/container"
	"container-workshop/final/process"
)

// pause stops all processes of a container. The processes do not notice. cgroups(7), freezer
func pause(store *container.Store, args []string) (int, error) {
	set := flagSet("pause", "ID", "pause the processes of a container")
	if err := parse(set, args, 1, 1); err != nil {
		return process.StatusFailed, err
	}
	return 0, store.Pause(set.Arg(0), true)
}

// resume lets the processes of a paused container go on.
func resume(store *container.Store, args []string) (int, error) {
	set := flagSet("resume", "ID", "resume the processes of a paused container")
	if err := parse(set, args, 1, 1); err != nil {
		return process.StatusFailed, err
	}
	return 0, store.Pause(set.Arg(0), false)
}
