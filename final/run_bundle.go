//go:build linux

package main

import (
	"os"

	"github.com/spf13/pflag"

	"container-workshop/final/container"
)

// bundleFlags reads the flags of run --bundle. Without that flag in the set the arguments are those of run COMMAND.
func bundleFlags(args []string) (b *bundle, set *pflag.FlagSet, detach, keep bool, err error) {
	b = new(bundle)
	set = flags("run", "--bundle DIR [flags] ID", "run a container from a bundle")
	usage := set.Usage
	set.Usage = func() {
		if set.Changed("bundle") {
			usage()
		}
	}
	b.addFlags(set)
	set.BoolVarP(&detach, "detach", "d", false, "leave the container running")
	set.BoolVar(&keep, "keep", false, "keep the state when the container has ended")
	err = parse(set, args, 1, 1)
	return b, set, detach, keep, err
}

// runBundle is create and start, and what run is to a command: it waits for the end, and removes the container.
func runBundle(root, id string, b *bundle, keep bool) (int, error) {
	request, err := b.request(id)
	if err != nil {
		return container.StatusFailed, err
	}
	if b.consoleSocket != "" {
		if err := checkConsole(request.Spec.Process, b.consoleSocket); err != nil {
			return container.StatusFailed, err
		}
	}
	console := container.NewConsole(os.Stdin, os.Stdout)
	request.Keep, request.Size = keep, console.Size()
	request.Streams = [3]*os.File{os.Stdin, os.Stdout, os.Stderr}
	by := <-standBy(console)
	if by.err != nil {
		return container.StatusFailed, by.err
	}
	defer by.guard.Dismiss()
	if err := by.guard.Watch(root, id, console); err != nil {
		return container.StatusFailed, err
	}
	defer console.Restore()
	return runToEnd(root, request, &by, console, b.handOver)
}

// detachBundle leaves the container to whoever becomes the parent of its process 1. PR_SET_CHILD_SUBREAPER(2const)
func detachBundle(root, id string, b *bundle) (int, error) {
	r, err := b.create(root, id)
	if err != nil {
		return container.StatusFailed, err
	}
	if err := container.Start(root, id); err != nil {
		return container.StatusFailed, joined(err, r.Remove())
	}
	return 0, nil
}
