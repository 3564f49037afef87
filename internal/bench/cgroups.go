//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// cgroups is where the host mounts cgroups.
	cgroups = "/sys/fs/cgroup"
	// parent is the cgroup above those of the containers.
	parent = "container-workshop-bench"
)

// isVersion2 reports whether the host has one tree for all controllers: cgroups(7)
func isVersion2(dir string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(dir, &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC
}

// findTrees returns the directories at which the cgroup trees are mounted, without the second tree of a hybrid host.
func findTrees() ([]string, error) {
	if isVersion2(cgroups) {
		return []string{cgroups}, nil
	}
	entries, err := os.ReadDir(cgroups)
	if err != nil {
		return nil, err
	}
	var trees []string
	for _, entry := range entries {
		var fs unix.Statfs_t
		dir := filepath.Join(cgroups, entry.Name())
		if entry.IsDir() && unix.Statfs(dir, &fs) == nil && fs.Type == unix.CGROUP_SUPER_MAGIC {
			trees = append(trees, dir)
		}
	}
	return trees, nil
}

// makeCgroups makes the parent in all trees, ready for cgroups below. A parent that is in use belongs to another bench.
func makeCgroups() ([]string, error) {
	trees, err := findTrees()
	if err != nil {
		return nil, err
	}
	for _, tree := range trees {
		dir := filepath.Join(tree, parent)
		if err := removeTree(dir, time.Now()); err != nil {
			return nil, fmt.Errorf("%w (does another bench run?)", err)
		}
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, err
		}
		if filepath.Base(tree) == "cpuset" {
			err = errors.Join(copyFile(tree, dir, "cpuset.cpus"), copyFile(tree, dir, "cpuset.mems"))
		}
		if err != nil {
			return nil, err
		}
		// On version 2, a controller that the host does not have will be missed by the runtimes, which say so.
		for _, controller := range []string{"+cpu", "+cpuset", "+io", "+memory", "+pids"} {
			_ = write(filepath.Join(tree, "cgroup.subtree_control"), controller)
			_ = write(filepath.Join(dir, "cgroup.subtree_control"), controller)
		}
	}
	return trees, nil
}

func copyFile(from, to, name string) error {
	content, err := os.ReadFile(filepath.Join(from, name))
	if err != nil {
		return err
	}
	return write(filepath.Join(to, name), string(content))
}

// write writes to a file of a cgroup, and never makes the file.
func write(name, content string) error {
	file, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(content)
	return errors.Join(err, file.Close())
}

// removeCgroups removes the parent, with what the runtimes have left below. The processes have been killed, and are about to end.
func removeCgroups(trees []string) error {
	var errs []error
	for _, tree := range trees {
		errs = append(errs, removeTree(filepath.Join(tree, parent), time.Now().Add(10*time.Second)))
	}
	return errors.Join(errs...)
}

func removeTree(dir string, deadline time.Time) error {
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		if entry.IsDir() {
			if err := removeTree(filepath.Join(dir, entry.Name()), deadline); err != nil {
				return err
			}
		}
	}
	for {
		err := unix.Rmdir(dir)
		if err == nil || err == unix.ENOENT {
			return nil
		}
		if err != unix.EBUSY || time.Now().After(deadline) {
			return fmt.Errorf("rmdir %s: %w", dir, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
