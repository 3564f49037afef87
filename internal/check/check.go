//go:build linux

// Package check tells what a container runtime gives to its containers, as seen from outside: from the host's /proc,
// cgroups and mount table, and from what a command in a container prints. It runs on the host, as root.
//
// The properties are in one table. A program of step n has those of the steps 1 to n, and not yet those of the later ones.
package check

import (
	"errors"
	"fmt"
	"slices"
)

// A Property is something that a program has from one step on.
type Property struct {
	// Name says it in words, and is unique.
	Name string
	// Step is the first step that has it, 1 to 7.
	Step int
	// Needs are the names of the properties without which this one means nothing. They are of the same step or an earlier one.
	Needs []string
	// Why says in one sentence why it matters.
	Why string
	// Where is the place in a lesson to look at, if a program lacks it: path#anchor.
	Where string
	// alone is true if the check measures something, or counts what is on the host, and other containers would disturb it.
	alone bool
	// check returns nil if the program has the property, and otherwise what it has seen instead.
	check func(*Program) error
}

// Properties is the table, in the order of the steps.
var Properties = table(command, signals, terminal, hostname, mounts, processes, root, limits, cgroups, temporary, input, leftovers)

// ErrUnclear is wrapped by the error of a check that could not tell.
var ErrUnclear = errors.New("cannot tell")

// Check returns nil if the program has the property. The error says what was seen instead.
//
// The program runs in a mount and a UTS namespace made for the check, so that it cannot harm the host, and where mounts
// are shared as they are on a host with systemd.
func (p Property) Check(program *Program) error {
	return program.isolated(func() error { return p.check(program) })
}

func table(groups ...[]Property) []Property {
	all := slices.Concat(groups...)
	slices.SortStableFunc(all, func(a, b Property) int { return a.Step - b.Step })
	return all
}

// unclear marks an error that says nothing about the program.
func unclear(err error) error {
	return fmt.Errorf("%w: %w", ErrUnclear, err)
}

// want returns an error unless what was seen is what was expected.
func want[T comparable](what string, expected, seen T) error {
	if seen != expected {
		return fmt.Errorf("%s: want %#v; got %#v", what, expected, seen)
	}
	return nil
}
