//go:build linux

package main

import (
	"cmp"
	"os"

	"container-workshop/final/container"
	"container-workshop/final/process"
)

// create makes a container from a bundle. The command waits for start.
func create(store *container.Store, args []string) (int, error) {
	set := flagSet("create", "[flags] ID", "create a container from a bundle; start starts its command")
	var b bundle
	b.addFlags(set)
	if err := parse(set, args, 1, 1); err != nil {
		return process.StatusFailed, err
	}
	_, err := b.makeHeld(store, set.Arg(0))
	return 0, err
}

// makeHeld makes a container that waits for start.
func (b *bundle) makeHeld(store *container.Store, id string) (*container.Run, error) {
	request, err := b.request(id)
	if err != nil {
		return nil, err
	}
	if err := checkConsole(request.Spec.Process, b.consoleSocket); err != nil {
		return nil, err
	}
	request.Held = true
	request.Streams = [3]*os.File{os.Stdin, os.Stdout, os.Stderr}
	r, err := store.Create(request)
	if err != nil {
		return nil, err
	}
	global.log.Calls(r.List.Records)
	defer r.Close()
	if err := b.handOver(&r.Process); err != nil {
		return nil, cmp.Or(err, r.Remove())
	}
	return r, nil
}
