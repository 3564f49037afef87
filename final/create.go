//go:build linux

package main

import (
	"os"

	"container-workshop/final/container"
)

// create makes a container from a bundle, which start lets run later. What it is told of the terminal goes to a socket.
func create(root string, args []string) (int, error) {
	set := flagSet("create", "[flags] ID", "create a container from a bundle; start starts its command")
	var b bundle
	b.addFlags(set)
	if err := parse(set, args, 1, 1); err != nil {
		return container.StatusFailed, err
	}
	_, err := b.create(root, set.Arg(0))
	return 0, err
}

// create makes the container, up to where it waits for start.
func (b *bundle) create(root, id string) (*container.Run, error) {
	request, err := b.request(id)
	if err != nil {
		return nil, err
	}
	if err := checkConsole(request.Spec.Process, b.consoleSocket); err != nil {
		return nil, err
	}
	request.Held = true
	request.Streams = [3]*os.File{os.Stdin, os.Stdout, os.Stderr}
	r, err := container.Create(root, request)
	if err != nil {
		return nil, err
	}
	debug(r.List.Records)
	defer r.Close()
	if err := b.handOver(&r.Process); err != nil {
		return nil, joined(err, r.Remove())
	}
	return r, nil
}
