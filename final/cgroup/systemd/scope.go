//go:build linux

package systemd

import (
	"fmt"
	"path"
	"strings"

	"container-workshop/final/namespace"
)

// Scope is a unit that systemd has not started yet.
type Scope struct {
	// Name is the name of the unit.
	Name string
	// Dir is the cgroup of the unit, seen from the cgroup of systemd.
	Dir         string
	slice       string
	description string
}

// ParseScope returns the scope that a path such as slice:prefix:name stands for: the unit PREFIX-NAME.scope in that slice. An empty
// slice is system.slice, or user.slice in a user namespace, and an empty path is system.slice:container-workshop:ID.
func ParseScope(cgroupsPath, id string) (*Scope, error) {
	if cgroupsPath == "" {
		cgroupsPath = ":container-workshop:" + id
	}
	parts := strings.Split(cgroupsPath, ":")
	if len(parts) != 3 || parts[2] == "" {
		return nil, fmt.Errorf("linux.cgroupsPath: %q: must be slice:prefix:name with --systemd-cgroup", cgroupsPath)
	}
	slice, prefix, name := parts[0], parts[1], parts[2]
	if slice == "" {
		slice = "system.slice"
		if namespace.Nested() {
			// The systemd of a user has no system.slice.
			slice = "user.slice"
		}
	}
	dir, err := expandSlice(slice)
	if err != nil {
		return nil, err
	}
	if prefix != "" {
		name = prefix + "-" + name
	}
	unit := escape(name) + ".scope"
	// systemd.unit(5)
	if len(unit) > 255 {
		return nil, fmt.Errorf("linux.cgroupsPath: the name of the unit %s has %d bytes: must be at most 255", unit, len(unit))
	}
	return &Scope{Name: unit, Dir: path.Join(dir, unit), slice: slice, description: "container " + id}, nil
}

// expandSlice returns the cgroup of a slice. The cgroup of a-b.slice is a.slice/a-b.slice, and the cgroup of -.slice, the slice above
// all others, is empty. systemd.slice(5)
func expandSlice(slice string) (string, error) {
	name, isSlice := strings.CutSuffix(slice, ".slice")
	if isSlice && name == "-" {
		return "", nil
	}
	dir, above := "", ""
	for part := range strings.SplitSeq(name, "-") {
		if !isSlice || part == "" || escape(part) != part {
			return "", fmt.Errorf("linux.cgroupsPath: %q: must be the name of a slice, such as a-b.slice", slice)
		}
		above += part
		dir = path.Join(dir, above+".slice")
		above += "-"
	}
	return dir, nil
}

// escape replaces a byte that the name of a unit cannot have, such as +, by \x2b. systemd.unit(5), "String Escaping for Inclusion in
// Unit Names"
func escape(name string) string {
	var s strings.Builder
	for _, b := range []byte(name) {
		if '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || strings.IndexByte(":-_.\\", b) != -1 {
			s.WriteByte(b)
		} else {
			fmt.Fprintf(&s, `\x%02x`, b)
		}
	}
	return s.String()
}
