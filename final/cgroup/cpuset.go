//go:build linux

package cgroup

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
)

// fillCpuset gives the cgroup the processors and memory nodes of its parent, if it has none yet. The parents get theirs in the same
// way. On version 1 a new cgroup has none, and until it gets some no process can join it. cpuset(7)
func (d *Dir) fillCpuset() error {
	if !slices.Contains(d.Controllers, "cpuset") {
		return nil
	}
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		if _, err := filled(d.lineage(), name); err != nil {
			return fmt.Errorf("copy the cpuset of the parent cgroup: %w", err)
		}
	}
	return nil
}

// filled returns what a file of the last directory holds. If it was empty, it holds now what the one above does. The directories
// start at the root of the tree, which has all.
func filled(dirs []string, name string) (string, error) {
	last := path.Join(dirs[len(dirs)-1], name)
	content, err := os.ReadFile(last)
	value := strings.TrimSpace(string(content))
	if err != nil || value != "" || len(dirs) == 1 {
		return value, err
	}
	if value, err = filled(dirs[:len(dirs)-1], name); err != nil {
		return "", err
	}
	return value, writeFile(last, value)
}
