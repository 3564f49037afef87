//go:build linux

package cgroup

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Below returns a cgroup that the container has made below its own, for a process that is to be in that. The name is a path, which
// starts at the cgroup of the container. Empty is that itself.
func (c *Cgroup) Below(name string) (*Cgroup, error) {
	if name == "" {
		return c, nil
	}
	if slices.Contains(strings.Split(name, "/"), "..") {
		return nil, fmt.Errorf("--cgroup %q: want a path without .., below the cgroup of the container", name)
	}
	below := *c
	below.Dirs = slices.Clone(c.Dirs)
	for i := range below.Dirs {
		below.Dirs[i].Path = path.Join(below.Dirs[i].Path, name)
	}
	return &below, nil
}
