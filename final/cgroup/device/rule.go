//go:build linux

// Package device runs on the host side. It turns linux.resources.devices of the configuration into what the kernel takes: lines
// for devices.allow and devices.deny of cgroup version 1, or a BPF program that version 2 runs whenever a process opens or makes
// a device node. See Lines and Attach.
package device

import (
	"fmt"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// anyNumber stands for all major or all minor numbers.
const anyNumber = -1

// access has a bit for each operation on a device that a rule is about. The kernel gives BPF programs the same bits. linux/bpf.h
type access uint8

const (
	mknod access = 1 << iota
	read
	write

	anyAccess = mknod | read | write
)

// letters has the letter of each access bit, lowest bit first.
const letters = "mrw"

func (a access) String() string {
	return strings.Map(func(letter rune) rune {
		if a>>strings.IndexRune(letters, letter)&1 == 0 {
			return -1
		}
		return letter
	}, "rwm")
}

// Rule is one entry of linux.resources.devices. If several rules match a device and one kind of access, the last one decides. If no
// rule matches, the cgroups above decide.
type Rule struct {
	Allow bool
	// kind is 'b', 'c', or 'a' for both.
	kind         byte
	major, minor int64
	access       access
	// index is the position of the rule in the configuration, for error messages.
	index int
}

// String returns the rule as version 1 writes it: "c 1:3 rwm". cgroup-v1/devices.rst
func (r Rule) String() string {
	if r.isAll() {
		return "a"
	}
	numbers := strings.ReplaceAll(fmt.Sprintf("%d:%d", r.major, r.minor), fmt.Sprint(anyNumber), "*")
	return fmt.Sprintf("%c %s %s", r.kind, numbers, r.access)
}

// isAll reports whether the rule matches every access to every device. The rules before such a rule have no effect.
func (r Rule) isAll() bool {
	return r.kind == 'a' && r.major == anyNumber && r.minor == anyNumber && r.access == anyAccess
}

// kinds has the types that the configuration may name. The type u is another name for c. mknod(1)
var kinds = map[string]byte{"": 'a', "a": 'a', "b": 'b', "c": 'c', "u": 'c'}

// Parse reads the entries of the configuration. A type, number or access that an entry leaves out means all of them.
func Parse(entries []specs.LinuxDeviceCgroup) ([]Rule, error) {
	rules := make([]Rule, len(entries))
	for i, e := range entries {
		r := Rule{Allow: e.Allow, kind: kinds[e.Type], major: anyNumber, minor: anyNumber, access: anyAccess, index: i}
		if r.kind == 0 {
			return nil, r.refuse("type %q: must be a, b or c", e.Type)
		}
		for _, n := range []struct {
			from, to *int64
			max      int64
		}{{e.Major, &r.major, 1<<12 - 1}, {e.Minor, &r.minor, 1<<20 - 1}} {
			if n.from == nil {
				continue
			}
			if *n.from < anyNumber || *n.from > n.max {
				return nil, r.refuse("number %d: must be from 0 to %d", *n.from, n.max)
			}
			*n.to = *n.from
		}
		if e.Access != "" {
			r.access = 0
		}
		for _, letter := range e.Access {
			bit := strings.IndexRune(letters, letter)
			if bit < 0 {
				return nil, r.refuse("access %q: must be made of r, w and m", e.Access)
			}
			r.access |= 1 << bit
		}
		rules[i] = r
	}
	return rules, nil
}

func (r Rule) refuse(format string, args ...any) error {
	return fmt.Errorf("linux.resources.devices[%d]: %s", r.index, fmt.Sprintf(format, args...))
}

// covers reports whether r matches every device that other matches. It does not compare the kinds of access.
func (r Rule) covers(other Rule) bool {
	return (r.kind == 'a' || r.kind == other.kind) && (r.major == anyNumber || r.major == other.major) && (r.minor == anyNumber || r.minor == other.minor)
}

// overlaps reports whether both rules match some access to some device.
func (r Rule) overlaps(other Rule) bool {
	meet := func(a, b int64) bool { return a == b || a == anyNumber || b == anyNumber }
	return (r.kind == 'a' || other.kind == 'a' || r.kind == other.kind) && meet(r.major, other.major) && meet(r.minor, other.minor) && r.access&other.access != 0
}

// Lines returns the lines to write to devices.allow and devices.deny of version 1, in order. For most configurations, the lines
// are the rules.
//
// The kernel keeps one list of exceptions for a cgroup: to "everything is denied" or to "everything is allowed". It removes an
// exception only if a line repeats the exception literally, and silently ignores the line otherwise. So Lines splits a rule that
// takes back parts of earlier rules, and refuses a rule that would need an exception to an exception. cgroup-v1/devices.rst
func Lines(rules []Rule) ([]Rule, error) {
	// A new cgroup copies its parent, and the cgroup of the host allows everything.
	allowed := true
	var lines, exceptions []Rule
	for _, rule := range rules {
		if rule.isAll() {
			allowed, exceptions = rule.Allow, nil
			lines = append(lines, rule)
			continue
		}
		// The kernel takes a line that starts with a for everything, and ignores the rest of the line.
		parts := []Rule{rule}
		if rule.kind == 'a' {
			parts = []Rule{rule, rule}
			parts[0].kind, parts[1].kind = 'b', 'c'
		}
		for _, part := range parts {
			if part.Allow != allowed {
				exceptions, lines = append(exceptions, part), append(lines, part)
				continue
			}
			taken, rest, err := part.takeBack(exceptions)
			if err != nil {
				return nil, err
			}
			exceptions, lines = rest, append(lines, taken...)
		}
	}
	return lines, nil
}

// takeBack returns the lines that take back what r matches from the exceptions, and the exceptions that are left.
func (r Rule) takeBack(exceptions []Rule) (lines, rest []Rule, err error) {
	for _, other := range exceptions {
		if !r.overlaps(other) {
			rest = append(rest, other)
			continue
		}
		if !r.covers(other) {
			return nil, nil, r.refuse("cgroup v1 cannot make an exception to an exception: %q from %q", r.String(), other.String())
		}
		line := other
		line.Allow, line.access = r.Allow, other.access&r.access
		lines = append(lines, line)
		if other.access &^= r.access; other.access != 0 {
			rest = append(rest, other)
		}
	}
	return lines, rest, nil
}
