//go:build linux

package cgroup

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// DefaultDevices are the rules for the devices that every container has, whatever its configuration says, to be put behind those
// of a configuration that has rules. Besides, any device may be made, which is of no use without leave to open it. OCI
// config-linux.md, "Default Devices"
var DefaultDevices = []specs.LinuxDeviceCgroup{
	{Allow: true, Type: "c", Access: "m"},
	{Allow: true, Type: "b", Access: "m"},
	// /dev/null, zero, full, random and urandom
	allowChar(1, 3), allowChar(1, 5), allowChar(1, 7), allowChar(1, 8), allowChar(1, 9),
	// /dev/tty, console and ptmx
	allowChar(5, 0), allowChar(5, 1), allowChar(5, 2),
	// /dev/pts/*
	{Allow: true, Type: "c", Major: new(int64(136)), Access: "rwm"},
}

// WithDefaultDevices returns resources whose rules for devices leave the default devices usable: for a configuration that is
// somebody else's, and has to say nothing of them. Without rules there is nothing that forbids them, and nothing changes. What
// it is given stays as it is.
func WithDefaultDevices(r *specs.LinuxResources) *specs.LinuxResources {
	if r == nil || len(r.Devices) == 0 {
		return r
	}
	with := *r
	with.Devices = slices.Concat(r.Devices, DefaultDevices)
	return &with
}

func allowChar(major, minor int64) specs.LinuxDeviceCgroup {
	return specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: &major, Minor: &minor, Access: "rwm"}
}

// anyNumber is a major or minor number that matches all.
const anyNumber = -1

// access is a set of what can be done to a device, with the bits that BPF uses. linux/bpf.h
type access uint8

const (
	mknod access = 1 << iota
	read
	write

	anyAccess = mknod | read | write
)

func (a access) String() string {
	var s strings.Builder
	for _, letter := range []struct {
		bit  access
		name string
	}{{read, "r"}, {write, "w"}, {mknod, "m"}} {
		if a&letter.bit != 0 {
			s.WriteString(letter.name)
		}
	}
	return s.String()
}

// deviceRule is one entry of linux.resources.devices. Of the entries that match a device and one kind of access to it, the last
// decides. Where none does, what is above the cgroup decides.
type deviceRule struct {
	allow bool
	// kind is 'b', 'c', or 'a' for both.
	kind         byte
	major, minor int64
	access       access
	// index is that of the entry.
	index int
}

// String is the rule in the form of version 1: "c 1:3 rwm". cgroup-v1/devices.rst
func (r deviceRule) String() string {
	if r.isAll() {
		return "a"
	}
	number := func(n int64) string {
		if n == anyNumber {
			return "*"
		}
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%c %s:%s %s", r.kind, number(r.major), number(r.minor), r.access)
}

// isAll reports whether the rule is for everything, so that what comes before it does not matter.
func (r deviceRule) isAll() bool {
	return r.kind == 'a' && r.major == anyNumber && r.minor == anyNumber && r.access == anyAccess
}

// deviceRules reads the entries. Type and numbers that are not set mean all, as the specification has it. Access that is not
// set means all of it here.
func deviceRules(entries []specs.LinuxDeviceCgroup) ([]deviceRule, error) {
	var rules []deviceRule
	for i, e := range entries {
		rule := deviceRule{allow: e.Allow, kind: 'a', major: anyNumber, minor: anyNumber, access: anyAccess, index: i}
		name := fmt.Sprintf("devices[%d]", i)
		switch e.Type {
		case "", "a":
		case "b", "c":
			rule.kind = e.Type[0]
		case "u":
			// Another word for c. mknod(1)
			rule.kind = 'c'
		default:
			return nil, refuse(name, "type %q: must be a, b or c", e.Type)
		}
		for _, n := range []struct {
			from *int64
			to   *int64
			max  int64
		}{{e.Major, &rule.major, 1<<12 - 1}, {e.Minor, &rule.minor, 1<<20 - 1}} {
			if n.from == nil {
				continue
			}
			if *n.from < anyNumber || *n.from > n.max {
				return nil, refuse(name, "number %d: must be from 0 to %d", *n.from, n.max)
			}
			*n.to = *n.from
		}
		if e.Access != "" {
			rule.access = 0
		}
		for _, letter := range e.Access {
			switch letter {
			case 'r':
				rule.access |= read
			case 'w':
				rule.access |= write
			case 'm':
				rule.access |= mknod
			default:
				return nil, refuse(name, "access %q: must be made of r, w and m", e.Access)
			}
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

// covers reports whether r matches all that other matches, but for the kinds of access.
func (r deviceRule) covers(other deviceRule) bool {
	return (r.kind == 'a' || r.kind == other.kind) && (r.major == anyNumber || r.major == other.major) && (r.minor == anyNumber || r.minor == other.minor)
}

// overlaps reports whether there can be a device and a kind of access that both match.
func (r deviceRule) overlaps(other deviceRule) bool {
	meet := func(a, b int64) bool { return a == b || a == anyNumber || b == anyNumber }
	return (r.kind == 'a' || other.kind == 'a' || r.kind == other.kind) && meet(r.major, other.major) && meet(r.minor, other.minor) && r.access&other.access != 0
}

// deviceLines returns what to write to devices.allow and devices.deny of version 1, which are the same as the rules as long as
// these go from the general to the particular. The kernel keeps one list: of what is allowed, after all has been denied, or of
// what is denied, after all has been allowed. It can only take from the list what is there literally, and does nothing, without
// a word, if it is not. So we split or refuse what would come out as something else. cgroup-v1/devices.rst
func deviceLines(rules []deviceRule) ([]deviceRule, error) {
	// A new cgroup has what its parent has, and that of the host has all.
	allowed := true
	var lines, list []deviceRule
	for _, rule := range rules {
		if rule.isAll() {
			allowed, list = rule.allow, nil
			lines = append(lines, rule)
			continue
		}
		// For the kernel, a line that starts with a means everything, whatever follows.
		parts := []deviceRule{rule}
		if rule.kind == 'a' {
			parts = []deviceRule{rule, rule}
			parts[0].kind, parts[1].kind = 'b', 'c'
		}
		for _, part := range parts {
			if part.allow != allowed {
				list = append(list, part)
				lines = append(lines, part)
				continue
			}
			// It takes back what is on the list.
			var rest []deviceRule
			for _, other := range list {
				if !part.overlaps(other) {
					rest = append(rest, other)
					continue
				}
				if !part.covers(other) {
					return nil, refuse(fmt.Sprintf("devices[%d]", rule.index),
						"cgroup v1 cannot make an exception to an exception: %q from %q", part.String(), other.String())
				}
				taken := other
				taken.allow, taken.access = part.allow, other.access&part.access
				lines = append(lines, taken)
				if other.access &^= part.access; other.access != 0 {
					rest = append(rest, other)
				}
			}
			list = rest
		}
	}
	return lines, nil
}
