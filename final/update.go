//go:build linux

package main

import (
	"fmt"
	"io"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"

	"container-workshop/final/container"
	"container-workshop/final/engine/flags"
	"container-workshop/final/process"
	"container-workshop/final/spec"
)

// update changes the limits of a container.
func update(store *container.Store, args []string) (int, error) {
	set := flagSet("update", "[flags] ID", "change the limits of a container")
	resources := new(specs.LinuxResources)
	file := set.StringP("resources", "r", "", "JSON `FILE` with the limits, as in the OCI specification (- is standard input);\nthe other flags then have no effect")
	flags.AddUpdateFlags(set, resources)
	if err := parse(set, args, 1, 1); err != nil {
		return process.StatusFailed, err
	}
	if *file != "" {
		read, err := readResources(*file)
		if err != nil {
			return process.StatusFailed, fmt.Errorf("--resources: %w", err)
		}
		resources = read
	}
	// The rules for devices stay as they are: callers send a list that is not complete.
	resources.Devices = nil
	return 0, store.Update(set.Arg(0), resources)
}

func readResources(name string) (*specs.LinuxResources, error) {
	if name == "-" {
		return spec.LoadResources(os.Stdin)
	}
	file, err := spec.OpenInput(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return spec.LoadResources(io.Reader(file))
}
