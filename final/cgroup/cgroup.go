//go:build linux

// Package cgroup runs on the host side. It limits the processes of a container, ends them, and finds them again: to the kernel, a
// container is little more than the processes of one cgroup.
//
// Version 1 has a tree of cgroups for each controller, or for a few controllers together. Version 2 has one tree, in which each cgroup
// gives controllers to its children. A hybrid host has both. A container has a cgroup in every tree, with the same name in each.
// The tables of package limit say which file has which limit.
//
// The life of a cgroup, from the side of the runtime:
//
//	New     finds the trees, and refuses limits that they do not have
//	Optional (instead) is New for an ordinary user, who may have no right to make cgroups
//	Make    makes the directories
//	Warm    (meanwhile) prepares the kernel for Join
//	Set     writes the limits, and writes them again for an update
//	Join    moves a process to the cgroup
//	Kill    ends all processes
//	Remove  removes the directories
//
// Where systemd manages the cgroups of the host, use NewSystemd instead of New: Join then makes the directories.
//
// A later process, such as kill or delete, reads the Cgroup from the state file. A forged state file could name any directory:
// [Cgroup.Check] refuses such a Cgroup.
//
// See cgroups(7), the kernel's admin-guide/cgroup-v1 and cgroup-v2.rst, and OCI config-linux.md, "Control groups".
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

// Mode says which versions a host has mounted. The state file has it as text.
type Mode string

const (
	V1 Mode = "v1"
	// Hybrid is a host with controllers in trees of version 1, and a tree of version 2 besides.
	Hybrid Mode = "hybrid"
	// V2 is a host with the tree of version 2 on /sys/fs/cgroup, and no other.
	V2 Mode = "v2"
)

// Dir is the cgroup of a container in one tree.
type Dir struct {
	// Name is the name of the tree below /sys/fs/cgroup: "memory", "cpu,cpuacct", "systemd", "unified". It is empty for a tree on
	// /sys/fs/cgroup itself.
	Name    string `json:"name"`
	Version int    `json:"version"`
	// Controllers is empty for version 2, and for a tree of version 1 that only has a name.
	Controllers []string `json:"controllers,omitempty"`
	// Mount is where the host has mounted the tree.
	Mount string `json:"mount"`
	// Path is the directory of the cgroup on the host, below Mount.
	Path string `json:"path"`
	// Made is the topmost directory that Make has made: Path, or a directory above. It is empty if Path existed before.
	Made string `json:"made,omitempty"`
}

// Cgroup is the cgroup of a container: one directory in every tree. After Make it can go to the state file.
type Cgroup struct {
	Mode Mode `json:"mode"`
	// Dirs has the trees in the order in which the host has mounted them.
	Dirs []Dir `json:"dirs"`
	// Unit is the scope that the cgroup belongs to. It is empty for a cgroup without systemd.
	Unit string `json:"unit,omitempty"`
	// scope is the scope that Join has to start, or nil.
	scope *scope
	// told are the limits that systemd knows.
	told []systemd.Property
	// exact keeps Join from choosing another cgroup below. See Below.
	exact bool
	// needed are the controllers of version 2 that the limits given to New need.
	needed []string
}

// New returns the cgroup at the path of the configuration. It makes nothing yet, and only checks the resources, which may be nil.
//
// An absolute path starts at the mount point of each tree. A relative path starts at the cgroup of this process, but at the parent of
// that cgroup if a limit needs a controller of version 2: a cgroup with processes cannot give controllers to its children. On a host with
// version 2 only, a relative path always starts at the parent. A path such as slice:prefix:name is an ordinary name here. OCI
// config-linux.md, "Cgroups Path"
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
		start := "/"
		if !path.IsAbs(cgroupsPath) {
			start = t.own
			if t.version == 2 && (mode == V2 || len(c.needed) > 0) {
				start = path.Dir(t.own)
			}
		}
		c.Dirs[i].Path = path.Join(t.mount, start, cgroupsPath)
	}
	return c, nil
}

// Lean leaves out the tree of version 2 of a hybrid host unless a limit needs it, because a process joins the other trees faster, see
// Tasks. The container then stays in the cgroup of the runtime in that tree. A container that can mount this tree must not stay there: it
// could freeze and kill the runtime, unless the host has mounted the tree with nsdelegate. cgroup-v2.rst, "Delegation"
func (c *Cgroup) Lean() *Cgroup {
	if c.Mode == Hybrid && len(c.needed) == 0 {
		c.Dirs = slices.DeleteFunc(c.Dirs, func(d Dir) bool { return d.Version == 2 })
	}
	return c
}

// checkPath refuses a path that is not below the root of a tree, or leads out of the tree.
func checkPath(cgroupsPath string) error {
	if slices.Contains(strings.Split(cgroupsPath, "/"), "..") {
		return fmt.Errorf("linux.cgroupsPath: %q: must not contain .. as a name", cgroupsPath)
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
	// Name is empty for a tree on /sys/fs/cgroup itself.
	Name string
	// Source is the directory of the host to bind there. It is empty for a symbolic link.
	Source string
	// Link is the Name that a symbolic link points to. It is empty for a directory.
	Link string
}

// Mounts returns the entries of /sys/fs/cgroup: the cgroup in every tree, and links for controllers that share a tree, such as
// cpu -> cpu,cpuacct.
func (c *Cgroup) Mounts() []Mount {
	var mounts []Mount
	dirs := c.Dirs
	if c.Mode == None {
		dirs = callers()
	}
	for _, d := range dirs {
		mounts = append(mounts, Mount{Name: d.Name, Source: d.Path})
		for _, controller := range d.Controllers {
			if controller != d.Name {
				mounts = append(mounts, Mount{Name: controller, Link: d.Name})
			}
		}
	}
	return mounts
}

// IsUnified reports whether /sys/fs/cgroup is one tree, of version 2.
func (c *Cgroup) IsUnified() bool {
	mode := c.Mode
	if mode == None {
		mode, _ = Detect()
	}
	return mode == V2
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
