//go:build linux

package check

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// controllers are the controllers that limit a container. On cgroup v1, each is also the name of its hierarchy.
var controllers = []string{"memory", "pids", "cpu"}

// cgroupDir finds the cgroup of a controller in the lines of /proc/PID/cgroup, and returns its directory. On cgroup v1 the directory is
// in the hierarchy of the controller, otherwise in the tree of cgroup v2. Without such a cgroup, cgroupDir returns "". cgroups(7)
func cgroupDir(lines, controller string) string {
	unified := ""
	for line := range strings.Lines(lines) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		if slices.Contains(strings.Split(fields[1], ","), controller) {
			return filepath.Join("/sys/fs/cgroup", controller, fields[2])
		}
		if fields[0] == "0" {
			unified = filepath.Join("/sys/fs/cgroup", fields[2])
		}
	}
	return unified
}

// limiting returns the directory of the cgroup in the lines of /proc/PID/cgroup. It returns an error if that is our own cgroup.
func limiting(lines, controller string) (string, error) {
	ours, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", unclear(err)
	}
	dir := cgroupDir(lines, controller)
	if dir == "" || dir == cgroupDir(string(ours), controller) {
		return "", fmt.Errorf("the command is in the %s cgroup of the host", controller)
	}
	return dir, nil
}

// cgroup returns the cgroup that limits the command of a session.
func (s *session) cgroup(controller string) (string, error) {
	inside, err := s.container()
	if err != nil {
		return "", err
	}
	defer release(inside)
	lines, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", inside[0].pid))
	if err != nil {
		return "", err
	}
	return limiting(string(lines), controller)
}

// limit returns a limit of a cgroup. cgroup v1 and v2 have different names for its file, and limit reads the first file that exists.
func limit(dir string, names ...string) (string, error) {
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			return strings.TrimSpace(string(data)), nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
	}
	return "", fmt.Errorf("%s has no %s", dir, strings.Join(names, " or "))
}

// cgroupsOnHost returns the cgroups of containers of the workshop. In a process that Guard has started, it returns only the cgroups that the
// examined programs made.
func cgroupsOnHost() []string {
	var all []string
	for _, tree := range append(controllers, "") {
		dirs, _ := filepath.Glob(filepath.Join("/sys/fs/cgroup", tree, "container-workshop-*"))
		for _, dir := range dirs {
			if hasGroup(dir, uint32(os.Getgid())) {
				all = append(all, dir)
			}
		}
	}
	return all
}

// hasGroup reports whether the file belongs to the group. A new file belongs to the group of the process that creates it.
func hasGroup(path string, group uint32) bool {
	var file unix.Stat_t
	return unix.Lstat(path, &file) == nil && file.Gid == group
}

// removeCgroups removes all cgroups that belong to the group. No process must be left in them.
func removeCgroups(group uint32) {
	var dirs []string
	filepath.WalkDir("/sys/fs/cgroup", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && hasGroup(path, group) {
			dirs = append(dirs, path)
		}
		return nil
	})
	// The cgroups below a cgroup come after it.
	for _, dir := range slices.Backward(dirs) {
		removeCgroup(dir)
	}
}

// removeCgroup removes a cgroup. Its last process may still be on its way out.
func removeCgroup(dir string) {
	for deadline := time.Now().Add(time.Second); unix.Rmdir(dir) == unix.EBUSY && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
}

// ofAStep matches the name of a step's cgroup: the PID of run, and a time. A program with a mistake may forget the time. The cgroups
// of final have other names.
var ofAStep = regexp.MustCompile(`^container-workshop-(\d*)(-\d+)?$`)

// sweep removes the cgroups of containers whose run was killed: their name contains the PID of run, and there is no such process.
func sweep() {
	for _, dir := range cgroupsOnHost() {
		name := ofAStep.FindStringSubmatch(filepath.Base(dir))
		if name == nil {
			continue
		}
		run, _ := strconv.Atoi(name[1])
		// A zombie removes nothing any more.
		if state := Stat(run, 3); state == "" || state == "Z" {
			removeCgroup(dir)
		}
	}
}
