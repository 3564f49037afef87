//go:build linux

package main

import (
	"encoding/json"
	"os"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"container-workshop/final/container"
)

func state(root string, args []string) (int, error) {
	set := flags("state", "ID", "print the state of a container, as JSON")
	if err := parse(set, args, 1, 1); err != nil {
		return container.StatusFailed, err
	}
	// Without its lock: what has that may be a hook's caller, and the hook may ask.
	c, err := container.Glance(root, set.Arg(0))
	if err != nil {
		return container.StatusFailed, err
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	return 0, encoder.Encode(publicOf(c))
}

// A public is what others are told of the state, in the order that they know. runtime.md, "State"
type public struct {
	Version     string               `json:"ociVersion"`
	ID          string               `json:"id"`
	Pid         int                  `json:"pid"`
	Status      specs.ContainerState `json:"status"`
	Bundle      string               `json:"bundle"`
	Rootfs      string               `json:"rootfs"`
	Created     time.Time            `json:"created"`
	Annotations map[string]string    `json:"annotations,omitempty"`
	Owner       string               `json:"owner"`
	// Exit is the exit status of the command, where it is known.
	Exit *int `json:"exit,omitempty"`
}

func publicOf(s *container.State) public {
	return public{s.Version, s.ID, s.Pid, s.Status, s.Bundle, s.Rootfs, s.Created, s.Annotations, s.Owner, s.Exit}
}
