//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// sysfs is where a host mounts its cgroups. hier(7)
const sysfs = "/sys/fs/cgroup"

// procSelf has the mounts and the cgroups of this process. proc(5)
const procSelf = "/proc/self"

// tree is one hierarchy of cgroups, as the host has mounted it.
type tree struct {
	name        string
	version     int
	controllers []string
	// label is the name=… that a tree of version 1 may have instead of controllers.
	label string
	mount string
	// root is the cgroup at the mount point: / on a host, another cgroup in a container without a cgroup namespace.
	root string
	// own is the cgroup of this process, seen from the mount point. findOwn sets it.
	own string
}

var errNoTrees = fmt.Errorf("no cgroup file system on %s: mount it", sysfs)

// Detect returns how this host has mounted its cgroups.
func Detect() (Mode, error) {
	mode, _, err := findTrees(sysfs)
	return mode, err
}

// findTrees finds the trees below /sys/fs/cgroup, here root. On a host with version 2 only, the type of the file system is enough.
// statfs(2)
func findTrees(root string) (Mode, []tree, error) {
	switch magic(root) {
	case unix.CGROUP2_SUPER_MAGIC:
		return V2, []tree{{version: 2, mount: root, root: "/", own: "/"}}, nil
	case 0:
		return "", nil, errNoTrees
	}
	mountinfo, err := readFile(procSelf + "/mountinfo")
	if err != nil {
		return "", nil, fmt.Errorf("%w (/proc is not mounted: mount -t proc proc /proc)", err)
	}
	// A later mount may cover a mount of the list.
	trees := slices.DeleteFunc(parseMountinfo(string(mountinfo), root), func(t tree) bool {
		m := magic(t.mount)
		return m != unix.CGROUP_SUPER_MAGIC && m != unix.CGROUP2_SUPER_MAGIC
	})
	mode := V1
	if slices.ContainsFunc(trees, func(t tree) bool { return t.version == 2 }) {
		mode = Hybrid
	}
	if len(trees) == 0 || len(trees) == 1 && mode == Hybrid {
		return "", nil, errNoTrees
	}
	return mode, trees, nil
}

// magic returns the magic number of the file system of a directory, or 0 for an error.
func magic(dir string) int64 {
	var stat unix.Statfs_t
	err := unix.Statfs(dir, &stat)
	for errors.Is(err, unix.EINTR) {
		err = unix.Statfs(dir, &stat)
	}
	if err != nil {
		return 0
	}
	return int64(stat.Type)
}

// parseMountinfo returns the trees that are mounted below a directory. If a mount point has several mounts, the last mount covers the
// others. If a tree has several mount points, the first counts. proc_pid_mountinfo(5)
func parseMountinfo(mountinfo, below string) []tree {
	var trees, unique []tree
	for line := range strings.Lines(mountinfo) {
		t, ok := parseMount(line)
		if ok && strings.HasPrefix(t.mount, below+"/") {
			trees = slices.DeleteFunc(trees, func(other tree) bool { return other.mount == t.mount })
			trees = append(trees, t)
		}
	}
	for _, t := range trees {
		known := slices.ContainsFunc(unique, func(other tree) bool {
			return other.version == t.version && other.label == t.label && slices.Equal(other.controllers, t.controllers)
		})
		if !known {
			unique = append(unique, t)
		}
	}
	return unique
}

// parseMount parses a line such as the following one. The number of fields before the dash varies:
//
//	35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
func parseMount(line string) (tree, bool) {
	// Most lines are of other file systems.
	if !strings.Contains(line, " - cgroup") {
		return tree{}, false
	}
	before, after, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " - ")
	place, source := strings.Split(before, " "), strings.Split(after, " ")
	version := map[string]int{"cgroup": 1, "cgroup2": 2}[source[0]]
	if len(place) < 6 || len(source) < 3 || version == 0 {
		return tree{}, false
	}
	t := tree{version: version, root: unescape(place[3]), mount: unescape(place[4]), own: "/"}
	t.name = path.Base(t.mount)
	if version == 2 {
		return t, true
	}
	for option := range strings.SplitSeq(source[len(source)-1], ",") {
		if slices.Contains(controllersV1, option) {
			t.controllers = append(t.controllers, option)
		}
		if strings.HasPrefix(option, "name=") {
			t.label = option
		}
	}
	return t, true
}

// controllersV1 tells the controllers from other mount options. cgroups(7)
var controllersV1 = []string{
	"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "net_cls", "blkio", "perf_event", "net_prio", "hugetlb", "pids", "rdma", "misc", "debug",
}

// unescape replaces \040 by a space, and so for tab, newline and backslash.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// findOwn finds the cgroup of this process in each tree. It returns an error if a mount does not show that cgroup, which happens in
// some containers.
func findOwn(trees []tree, proc string) error {
	lines, err := readFile(proc + "/cgroup")
	if err != nil {
		return err
	}
	for i := range trees {
		t := &trees[i]
		if len(trees) == 1 && t.version == 2 {
			// findTrees does not read the mounts on such a host.
			if err := t.findRoot(proc); err != nil {
				return err
			}
		}
		own, ok := ownCgroup(string(lines), *t)
		if ok {
			own, ok = below(t.root, own)
		}
		if !ok {
			return fmt.Errorf("linux.cgroupsPath: must be absolute here, because %s does not show the cgroup of this process", t.mount)
		}
		t.own = own
	}
	return nil
}

func (t *tree) findRoot(proc string) error {
	mountinfo, err := readFile(proc + "/mountinfo")
	for line := range strings.Lines(string(mountinfo)) {
		if found, ok := parseMount(line); ok && found.mount == t.mount {
			t.root = found.root
		}
	}
	return err
}

// ownCgroup finds the cgroup of a tree in the lines of /proc/PID/cgroup, such as "4:memory:/user.slice" or "0::/user.slice". cgroups(7)
func ownCgroup(lines string, t tree) (string, bool) {
	controller := slices.Concat(t.controllers, []string{t.label})[0]
	for line := range strings.Lines(lines) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) != 3 || !path.IsAbs(fields[2]) {
			continue
		}
		if t.version == 2 && fields[0] == "0" && fields[1] == "" ||
			t.version == 1 && controller != "" && slices.Contains(strings.Split(fields[1], ","), controller) {
			return fields[2], true
		}
	}
	return "", false
}

// below returns the path of a cgroup as seen from another cgroup, which has to be above it or the same.
func below(root, cgroup string) (string, bool) {
	// A path starts like this if the cgroup is outside of the cgroup namespace. cgroup_namespaces(7)
	if strings.HasPrefix(root, "/..") || strings.HasPrefix(cgroup, "/..") {
		return "", false
	}
	root, cgroup = path.Clean(root), path.Clean(cgroup)
	if root == "/" {
		return cgroup, true
	}
	rest, ok := strings.CutPrefix(cgroup+"/", root+"/")
	return path.Clean("/" + rest), ok
}
