//go:build linux

package main

import (
	"container-workshop/final/container"
	"container-workshop/final/process"
)

func remove(store *container.Store, args []string) (int, error) {
	set := flagSet("delete", "[--force] ID", "delete a container that has ended")
	force := set.BoolP("force", "f", false, "kill the container first if it is running")
	if err := parse(set, args, 1, 1); err != nil {
		return process.StatusFailed, err
	}
	return 0, store.Delete(set.Arg(0), *force)
}
