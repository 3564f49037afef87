//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// root is the directory where the host mounts cgroups.
const root = "/sys/fs/cgroup"

// A hierarchy is a tree of cgroups that the host has mounted: cgroups(7).
type hierarchy struct {
	// Kind is cgroup or cgroup2, Options are its mount options, and Target is its mount point.
	Kind, Options, Target string
	// Links are its other names: cpu is another name of cpu,cpuacct.
	Links []string
	// parent is the cgroup in which each program gets a cgroup.
	parent string
}

// A group is the cgroup of one program.
type group struct {
	hierarchy
	Dir string
}

// findHierarchies returns the hierarchies mounted below root.
func findHierarchies() ([]hierarchy, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	memberships, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	found, err := parseHierarchies(string(mounts), string(memberships))
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("nothing is mounted in %s", root)
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		target, err := os.Readlink(filepath.Join(root, entry.Name()))
		if err != nil {
			continue
		}
		for i, h := range found {
			if filepath.Base(h.Target) == filepath.Base(target) {
				found[i].Links = append(found[i].Links, entry.Name())
			}
		}
	}
	return found, nil
}

// parseHierarchies reads the files mountinfo and cgroup of a process: proc_pid_mountinfo(5), proc_pid_cgroup(5).
func parseHierarchies(mounts, memberships string) ([]hierarchy, error) {
	var found []hierarchy
	scanner := bufio.NewScanner(strings.NewReader(mounts))
	for scanner.Scan() {
		left, right, _ := strings.Cut(scanner.Text(), " - ")
		where, what := strings.Fields(left), strings.Fields(right)
		if len(where) < 5 || len(what) < 3 || (what[0] != "cgroup" && what[0] != "cgroup2") {
			continue
		}
		h := hierarchy{Kind: what[0], Target: where[4]}
		if h.Target != root && filepath.Dir(h.Target) != root {
			continue
		}
		var member string
		for line := range strings.Lines(memberships) {
			fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
			if len(fields) == 3 && carries(h.Kind, what[2], fields[1]) {
				h.Options, member = fields[1], fields[2]
			}
		}
		if member == "" {
			continue
		}
		below, err := filepath.Rel(where[3], member)
		if err != nil {
			return nil, err
		}
		h.parent = filepath.Join(h.Target, below)
		if h.Kind == "cgroup2" || strings.HasPrefix(below, "..") {
			// In version 2, only the root may have both processes and children with controllers.
			h.parent = h.Target
		}
		if strings.HasPrefix(h.Options, "name=") {
			h.Options = "none," + h.Options
		}
		found = append(found, h)
	}
	return found, scanner.Err()
}

// carries reports whether a mount with these options is the hierarchy of the controllers.
func carries(kind, options, controllers string) bool {
	if kind == "cgroup2" || controllers == "" {
		return kind == "cgroup2" && controllers == ""
	}
	mounted := strings.Split(options, ",")
	for controller := range strings.SplitSeq(controllers, ",") {
		if !slices.Contains(mounted, controller) {
			return false
		}
	}
	return true
}

// makeGroups makes a cgroup in each hierarchy, and returns the cgroups that it has made.
func makeGroups(hierarchies []hierarchy) ([]group, error) {
	var groups []group
	for _, h := range hierarchies {
		dir, err := os.MkdirTemp(h.parent, "conformance-")
		if err != nil {
			return groups, err
		}
		groups = append(groups, group{hierarchy: h, Dir: dir})
		// A new cpuset of version 1 has neither processors nor memory, so it takes no process: cpuset(7).
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			value, err := os.ReadFile(filepath.Join(h.parent, file))
			if h.Kind == "cgroup2" || errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err == nil {
				err = set(dir, file, string(value))
			}
			if err != nil {
				return groups, err
			}
		}
	}
	return groups, nil
}

// joinGroups moves this process into the cgroups.
func joinGroups(groups []group) error {
	for _, g := range groups {
		if err := set(g.Dir, "cgroup.procs", "0"); err != nil {
			return err
		}
	}
	return nil
}

// mountGroups mounts the cgroups as if they were the roots of their hierarchies.
func mountGroups(groups []group) error {
	for _, g := range groups {
		if err := os.MkdirAll(g.Target, 0o755); err != nil {
			return err
		}
		options := g.Options
		if g.Kind == "cgroup2" {
			options = ""
		}
		if err := unix.Mount("cgroup", g.Target, g.Kind, unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, options); err != nil {
			return fmt.Errorf("mount %s %s on %s: %w", g.Kind, options, g.Target, err)
		}
		for _, name := range g.Links {
			if err := os.Symlink(filepath.Base(g.Target), filepath.Join(root, name)); err != nil {
				return err
			}
		}
		if g.Target == root {
			if err := delegate(root); err != nil {
				return err
			}
		}
	}
	return nil
}

// delegate gives the controllers of a cgroup of version 2 to its children. For this the cgroup must be empty, so this process moves
// into a child.
func delegate(dir string) error {
	if err := os.Mkdir(filepath.Join(dir, "suite"), 0o755); err != nil {
		return err
	}
	if err := set(dir, "suite/cgroup.procs", "0"); err != nil {
		return err
	}
	controllers, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for controller := range strings.FieldsSeq(string(controllers)) {
		if err := set(dir, "cgroup.subtree_control", "+"+controller); err != nil {
			return err
		}
	}
	return nil
}

// removeGroups removes cgroups, with all cgroups that runtimes have left below them. Their processes have ended.
func removeGroups(groups []group) error {
	var errs []error
	for _, g := range groups {
		errs = append(errs, removeTree(g.Dir, time.Now().Add(5*time.Second)))
	}
	return errors.Join(errs...)
}

func removeTree(dir string, deadline time.Time) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := removeTree(filepath.Join(dir, entry.Name()), deadline); err != nil {
				return err
			}
		}
	}
	for {
		// RemoveAll would try to unlink the files.
		err := unix.Rmdir(dir)
		if err == nil {
			return nil
		}
		if err != unix.EBUSY || time.Now().After(deadline) {
			return fmt.Errorf("rmdir %s: %w", dir, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// set writes to a file of a cgroup. It never creates the file: cgroupfs would answer with permission denied, which explains nothing.
func set(dir, file, value string) error {
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}
