//go:build linux && engines

package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	cgroupTop = "/sys/fs/cgroup"
	// cgroupPrefix begins the names of sessions' cgroups. A PID follows.
	cgroupPrefix = "engine-test-"
)

// A hierarchy is a mounted tree of cgroups, of version 2, or of version 1 with mount options. cgroups(7)
type hierarchy struct {
	place, kind, options string
}

// findHierarchies finds the mounted hierarchies. proc_pid_mountinfo(5)
func findHierarchies() ([]hierarchy, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var found []hierarchy
	for line := range strings.Lines(string(mounts)) {
		mount, fileSystem, _ := strings.Cut(line, " - ")
		place := strings.Fields(mount)[4]
		fields := strings.Fields(fileSystem)
		if place != cgroupTop && !strings.HasPrefix(place, cgroupTop+"/") {
			continue
		}
		switch fields[0] {
		case "cgroup2":
			found = append(found, hierarchy{place: place, kind: "cgroup2"})
		case "cgroup":
			found = append(found, hierarchy{place, "cgroup", controllersOf(fields[2])})
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no cgroups are mounted below %s", cgroupTop)
	}
	return found, nil
}

// controllersOf returns those mount options of version 1 that name the hierarchy.
func controllersOf(options string) string {
	var kept []string
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "rw", "ro", "xattr", "clone_children", "noprefix", "cpuset_v2_mode":
		default:
			if !strings.HasPrefix(option, "release_agent=") {
				kept = append(kept, option)
			}
		}
	}
	return strings.Join(kept, ",")
}

// makeCgroups makes a cgroup for the session in every hierarchy and returns the name of these cgroups.
func makeCgroups() (string, error) {
	name := cgroupPrefix + strconv.Itoa(os.Getpid())
	hierarchies, err := findHierarchies()
	if err != nil {
		return name, err
	}
	sweepCgroups(hierarchies)
	for _, h := range hierarchies {
		dir := filepath.Join(h.place, name)
		if h.place == cgroupTop {
			enableControllers(h.place)
		}
		if err := os.Mkdir(dir, 0o755); err != nil {
			return name, err
		}
		// Without processors and memory, a cpuset takes no process. cpuset(7)
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			value, err := os.ReadFile(filepath.Join(h.place, file))
			if h.kind == "cgroup2" || err != nil {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, file), value, 0); err != nil {
				return name, err
			}
		}
	}
	return name, nil
}

// enableControllers gives the controllers of a cgroup to its children, as far as the kernel allows.
func enableControllers(dir string) {
	controllers, _ := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	for _, controller := range strings.Fields(string(controllers)) {
		_ = os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+controller), 0)
	}
}

// joinCgroups moves the caller into the session's cgroups and makes them the roots that the caller sees.
func joinCgroups(hierarchies []hierarchy, name string) error {
	for _, h := range hierarchies {
		if err := os.WriteFile(filepath.Join(h.place, name, "cgroup.procs"), []byte("0"), 0); err != nil {
			return fmt.Errorf("join the cgroup of the session: %w", err)
		}
	}
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("unshare cgroups: %w", err)
	}
	// In version 2, a cgroup that has processes cannot give controllers to its children. Next to version 1, it has none to give.
	for _, h := range hierarchies {
		if h.place != cgroupTop {
			continue
		}
		own := filepath.Join(h.place, name, "session")
		if err := os.Mkdir(own, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(own, "cgroup.procs"), []byte("0"), 0); err != nil {
			return err
		}
		enableControllers(filepath.Join(h.place, name))
	}
	return nil
}

// mountCgroups mounts a new sysfs, and the session's cgroups where the host's cgroups were.
func mountCgroups(hierarchies []hierarchy) error {
	if hierarchies[0].place != cgroupTop {
		if err := unix.Mount("tmpfs", cgroupTop, "tmpfs", 0, "mode=755"); err != nil {
			return fmt.Errorf("mount %s: %w", cgroupTop, err)
		}
	}
	for _, h := range hierarchies {
		if err := os.MkdirAll(h.place, 0o755); err != nil {
			return err
		}
		if err := unix.Mount("cgroup", h.place, h.kind, 0, h.options); err != nil {
			return fmt.Errorf("mount cgroups at %s: %w", h.place, err)
		}
		// A hierarchy of several controllers has a link for each controller.
		name := filepath.Base(h.place)
		for controller := range strings.SplitSeq(name, ",") {
			if controller == name {
				continue
			}
			if err := os.Symlink(name, filepath.Join(cgroupTop, controller)); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeCgroups removes the cgroups of a session that has ended.
func removeCgroups(name string) {
	hierarchies, _ := findHierarchies()
	for _, h := range hierarchies {
		dirs := below(filepath.Join(h.place, name))
		for i := range dirs {
			dir := dirs[len(dirs)-1-i]
			// The kernel still counts processes for a moment after their end.
			for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
				if err := unix.Rmdir(dir); !errors.Is(err, unix.EBUSY) {
					break
				}
			}
		}
	}
}

// sweepCgroups removes the cgroups of sessions that were killed.
func sweepCgroups(hierarchies []hierarchy) {
	for _, h := range hierarchies {
		dirs, _ := filepath.Glob(filepath.Join(h.place, cgroupPrefix+"*"))
		for _, dir := range dirs {
			pid := strings.TrimPrefix(filepath.Base(dir), cgroupPrefix)
			if _, err := os.Stat("/proc/" + pid); errors.Is(err, fs.ErrNotExist) {
				removeCgroups(filepath.Base(dir))
			}
		}
	}
}

// thaw thaws the session's frozen processes: in version 1, a frozen process cannot be killed.
func thaw(name string) {
	hierarchies, _ := findHierarchies()
	for _, h := range hierarchies {
		for _, dir := range below(filepath.Join(h.place, name)) {
			_ = os.WriteFile(filepath.Join(dir, "freezer.state"), []byte("THAWED"), 0)
			_ = os.WriteFile(filepath.Join(dir, "cgroup.freeze"), []byte("0"), 0)
		}
	}
}

// below lists a cgroup and all cgroups below, each parent before its children.
func below(dir string) []string {
	var dirs []string
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			dirs = append(dirs, path)
		}
		return nil
	})
	return dirs
}
