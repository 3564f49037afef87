//go:build linux

// Package check examines a container runtime from outside: it looks at the host's /proc, cgroups and mount table, and at what a
// command in a container prints. It runs on the host, as root.
//
// One table has all properties. A program of step n has the properties of steps 1 to n, and none of the later ones.
package check

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Property is something that programs have from one step on.
type Property struct {
	// Name describes the property in words. Each name is unique.
	Name string
	// Step is the first step with the property, 1 to 7.
	Step int
	// Needs are the names of the properties without which this one means nothing. They belong to the same step or an earlier one.
	Needs []string
	// Why says in one sentence why the property matters.
	Why string
	// Where is the place in a lesson to read, if a program lacks the property: path#anchor.
	Where string
	// Alone is true if other containers would disturb the check, because it measures something or counts things on the host.
	Alone bool
	// check returns nil if the program has the property. Otherwise the error says what check saw instead.
	check func(*Program) error
}

// Properties is the table, in the order of the steps.
var Properties = table(command, signals, terminal, hostname, mounts, processes, root, limits, cgroups, temporary, input, leftovers)

// ErrUnclear is in the error of a check that could not decide.
var ErrUnclear = errors.New("cannot tell")

// Check returns nil if the program has the property. Otherwise the error says what Check saw instead.
//
// The program runs in a mount namespace and a UTS namespace made for the check, so that it cannot harm the host. Mounts there are
// shared, as they are on a host with systemd.
func (p Property) Check(program *Program) error {
	return program.isolated(func() error { return p.check(program) })
}

func table(groups ...[]Property) []Property {
	all := slices.Concat(groups...)
	slices.SortStableFunc(all, func(a, b Property) int { return a.Step - b.Step })
	return all
}

// unclear wraps an error that says nothing about the program.
func unclear(err error) error {
	return fmt.Errorf("%w: %w", ErrUnclear, err)
}

// want returns an error unless we saw what we expected. The error is a sentence: the status is 1, not 0.
func want[T comparable](what string, expected, seen T) error {
	if seen == expected {
		return nil
	}
	if e, ok := any(expected).(result); ok {
		return fmt.Errorf("%s: %s", what, e.unlike(any(seen).(result)))
	}
	return fmt.Errorf("%s is %s, not %s", what, shown(seen), shown(expected))
}

// shown quotes a text without the newline at its end.
func shown(value any) string {
	switch text := value.(type) {
	case string:
		if text == "" {
			return "empty"
		}
		return strconv.Quote(strings.TrimSuffix(text, "\n"))
	default:
		return fmt.Sprint(value)
	}
}

// printed says what a program printed.
func printed(stdout, stderr string) string {
	switch {
	case stdout == "" && stderr == "":
		return "printed nothing"
	case stderr == "":
		return "printed " + shown(stdout)
	case stdout == "":
		return "printed the error " + shown(stderr)
	}
	return "printed " + shown(stdout) + " and the error " + shown(stderr)
}
