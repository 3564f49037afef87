//go:build linux

package main

import (
	"encoding/json"
	"os"

	"container-workshop/final/container"
)

func state(root string, args []string) (int, error) {
	set := flags("state", "ID", "print the state of a container, as JSON")
	if err := parse(set, args, 1, 1); err != nil {
		return container.StatusFailed, err
	}
	c, err := container.Open(root, set.Arg(0))
	if err != nil {
		return container.StatusFailed, err
	}
	defer c.Close()
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	return 0, encoder.Encode(c.State)
}
