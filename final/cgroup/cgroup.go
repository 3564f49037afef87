//go:build linux

// Package cgroup runs on the host side. It limits the processes of a container, counts what they take, and finds them again:
// for a container is, to the kernel, little more than the processes of one cgroup.
//
// Version 1 has a tree of cgroups for each controller, or for two that are mounted together. Version 2 has one tree, with the
// controllers that the parent gives to its children. A hybrid host has both. A container has one cgroup in every tree, of the
// same name, so that its view of each is its own. What the two versions call a limit is in two tables: limits_v1.go and
// limits_v2.go.
//
// The life of a cgroup, all of it in the runtime and none in the container:
//
//	New     finds the trees and refuses what they cannot do
//	Create  makes the directories
//	Warm    (meanwhile) makes the kernel ready for Join
//	Set     writes the limits; and again, at an update
//	Join    puts a process in
//	Kill    ends all processes
//	Remove  removes the directories
//
// Where the cgroups of the host are systemd's, NewSystemd takes the place of New, and what Create does is left to Join.
//
// A later process, as that of kill or delete, reads the Cgroup from the state file: it is made of plain data.
//
// See cgroups(7), the kernel's Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst, and config-linux.md of the OCI runtime
// specification, section "Control groups".
package cgroup

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"container-workshop/final/cgroup/systemd"
)

// Mode is how a host has mounted its cgroups. It is text, for the state file.
type Mode string

const (
	// V1 is a host with trees of version 1 only.
	V1 Mode = "v1"
	// Hybrid is a host with its controllers in trees of version 1, and a tree of version 2 for the rest.
	Hybrid Mode = "hybrid"
	// V2 is a host with nothing but the one tree of version 2, on /sys/fs/cgroup.
	V2 Mode = "v2"
)

// Dir is the cgroup of a container in one tree.
type Dir struct {
	// Name is that of the tree below /sys/fs/cgroup: "memory", "cpu,cpuacct", "systemd", "unified". It is empty for the tree that
	// is mounted on /sys/fs/cgroup itself, as that of version 2 is.
	Name string `json:"name"`
	// Version is 1 or 2.
	Version int `json:"version"`
	// Controllers are those of a tree of version 1. It is empty for version 2, and for a tree that only has a name.
	Controllers []string `json:"controllers,omitempty"`
	// Mount is where the tree is mounted on the host.
	Mount string `json:"mount"`
	// Path is the directory of the cgroup on the host, below Mount.
	Path string `json:"path"`
	// Made is the topmost directory that Create made: Path, or one above it. It is empty if Path was there before, which
	// then stays when the container goes.
	Made string `json:"made,omitempty"`
}

// Cgroup is the cgroup of a container, which is one directory in every tree. It may be written to the state file as JSON, after
// Create, and read from there.
type Cgroup struct {
	// Mode is that of the host.
	Mode Mode `json:"mode"`
	// Dirs has one cgroup for each tree, in the order in which the host has mounted them.
	Dirs []Dir `json:"dirs"`
	// Unit is the scope of systemd's that the cgroup belongs to. It is empty for a cgroup that is only ours. See NewSystemd.
	Unit string `json:"unit,omitempty"`
	// scope is what Join has to start. It is nil afterwards, and without systemd.
	scope *scope
	// told are the limits that systemd was told last.
	told []systemd.Property
	// exact says that a process joins these cgroups or none. See Below.
	exact bool
	// needed are the controllers of version 2 that the limits given to New need.
	needed []string
}

// New returns the cgroup at the given path, which is linux.cgroupsPath of the configuration, without making anything yet.
//
// An absolute path starts at the root of each tree, as it is mounted. A relative one starts where the runtime is: at its own
// cgroup in a tree of version 1, and at the parent of its own in one of version 2, where a cgroup with processes cannot give
// controllers to its children. On a hybrid host it starts at its own in all trees, unless a limit needs a controller of version 2.
// A path of the form slice:prefix:name is the name of a directory here, not of a systemd unit. OCI config-linux.md, "Cgroups Path".
//
// The resources, which may be nil, are refused if the host cannot limit them. New does not set them.
func New(cgroupsPath string, resources *specs.LinuxResources) (*Cgroup, error) {
	if err := checkPath(cgroupsPath); err != nil {
		return nil, err
	}
	mode, trees, err := findTrees(sysfs)
	if err != nil {
		return nil, err
	}
	if !path.IsAbs(cgroupsPath) {
		if err := findOwn(trees, procSelf); err != nil {
			return nil, err
		}
	}
	return newIn(mode, trees, cgroupsPath, resources)
}

// newIn is New for trees that are known.
func newIn(mode Mode, trees []tree, cgroupsPath string, resources *specs.LinuxResources) (*Cgroup, error) {
	c := &Cgroup{Mode: mode}
	for _, t := range trees {
		c.Dirs = append(c.Dirs, Dir{Name: t.name, Version: t.version, Controllers: t.controllers, Mount: t.mount})
	}
	settings, err := c.plan(resources)
	if err != nil {
		return nil, err
	}
	c.needed = controllersOf(settings)
	for i, t := range trees {
		start := t.mount
		if !path.IsAbs(cgroupsPath) {
			start = path.Join(t.mount, t.own)
			if t.version == 2 && (mode == V2 || len(c.needed) > 0) {
				start = path.Join(t.mount, path.Dir(t.own))
			}
		}
		c.Dirs[i].Path = path.Join(start, cgroupsPath)
	}
	return c, nil
}

// Lean leaves out the tree of version 2 of a hybrid host, unless a limit needs it: a process joins the others sooner, see Tasks. It
// stays in the cgroup of the runtime there.
func (c *Cgroup) Lean() *Cgroup {
	if c.Mode == Hybrid && len(c.needed) == 0 {
		c.Dirs = slices.DeleteFunc(c.Dirs, func(d Dir) bool { return d.Version == 2 })
	}
	return c
}

// checkPath refuses a path that is no cgroup of its own, or that leads out of the tree.
func checkPath(cgroupsPath string) error {
	for name := range strings.SplitSeq(cgroupsPath, "/") {
		if name == ".." {
			return fmt.Errorf("linux.cgroupsPath: %q: must not contain .. as a name", cgroupsPath)
		}
	}
	if strings.ContainsAny(cgroupsPath, "\n\x00") {
		return fmt.Errorf("linux.cgroupsPath: %q: must not contain a newline or a zero byte", cgroupsPath)
	}
	if clean := path.Clean(cgroupsPath); clean == "." || clean == "/" {
		return errors.New("linux.cgroupsPath: must name a cgroup below the root of the tree")
	}
	return nil
}

// Mount is one entry of /sys/fs/cgroup, as a container sees it.
type Mount struct {
	// Name is that of the entry. It is empty for a tree that is mounted on /sys/fs/cgroup itself.
	Name string
	// Source is the directory on the host that is bound there. It is empty for a symbolic link.
	Source string
	// Link is what a symbolic link points to: another Name. It is empty for a directory.
	Link string
}

// Mounts returns what /sys/fs/cgroup of the container consists of: its own cgroup in every tree, to be bound there, and links
// for the controllers that are mounted together, such as cpu -> cpu,cpuacct.
func (c *Cgroup) Mounts() []Mount {
	var mounts []Mount
	for _, d := range c.Dirs {
		mounts = append(mounts, Mount{Name: d.Name, Source: d.Path})
		for _, controller := range d.Controllers {
			if controller != d.Name {
				mounts = append(mounts, Mount{Name: controller, Link: d.Name})
			}
		}
	}
	return mounts
}

// DirOf returns the cgroup in the tree that has the controller: a tree of version 1, or else the tree of version 2. It returns nil if
// there is no such tree.
func (c *Cgroup) DirOf(controller string) *Dir {
	if controller == "io" {
		controller = "blkio"
	}
	for i := range c.Dirs {
		if slices.Contains(c.Dirs[i].Controllers, controller) {
			return &c.Dirs[i]
		}
	}
	return c.unified()
}

// unified returns the cgroup of version 2, or nil.
func (c *Cgroup) unified() *Dir {
	for i := range c.Dirs {
		if c.Dirs[i].Version == 2 {
			return &c.Dirs[i]
		}
	}
	return nil
}
