//go:build linux

package main

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"container-workshop/final/container"
	"container-workshop/final/process"
)

func kill(store *container.Store, args []string) (int, error) {
	set := flagSet("kill", "[--all] ID [SIGNAL]", "send a signal to the command of a container (default: that of its image, or TERM)")
	// Behind the ID is the signal, be it a wrong one such as -1.
	set.SetInterspersed(false)
	all := set.BoolP("all", "a", false, "send the signal to all processes of the container")
	if err := parse(set, args, 1, 2); err != nil {
		return process.StatusFailed, err
	}
	var sig unix.Signal
	if set.NArg() == 2 {
		var err error
		if sig, err = parseSignal(set.Arg(1)); err != nil {
			return process.StatusFailed, err
		}
	} else {
		sig = stopSignal(store, set.Arg(0))
	}
	if *all {
		return 0, store.KillAll(set.Arg(0), sig)
	}
	return 0, store.Kill(set.Arg(0), sig)
}

// stopSignal is what an image wants instead of SIGTERM.
// https://github.com/opencontainers/image-spec/blob/v1.1.1/conversion.md
func stopSignal(store *container.Store, id string) unix.Signal {
	if state, err := store.Glance(id); err == nil {
		if sig, err := parseSignal(state.Annotations["org.opencontainers.image.stopSignal"]); err == nil && sig != 0 {
			return sig
		}
	}
	return unix.SIGTERM
}

// parseSignal reads a name, with or without SIG, or a number from 1 to 64; or 0, which is no signal but asks for the process.
// signal(7), kill(2)
func parseSignal(text string) (unix.Signal, error) {
	if n, err := strconv.Atoi(text); err == nil && n >= 0 && n <= 64 {
		return unix.Signal(n), nil
	}
	name := strings.ToUpper(text)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if sig := unix.SignalNum(name); sig != 0 {
		return sig, nil
	}
	return 0, fmt.Errorf("unknown signal %q (use a name such as TERM, or a number from 0 to 64)", text)
}
