//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// sysfs is where a host mounts its cgroups. hier(7)
const sysfs = "/sys/fs/cgroup"

// procSelf is where a process sees its mounts and its cgroups. proc(5)
const procSelf = "/proc/self"

// tree is one hierarchy of cgroups, as the host has mounted it.
type tree struct {
	name        string
	version     int
	controllers []string
	// label is the name=… that a tree of version 1 may have instead of controllers.
	label string
	mount string
	// root is the cgroup that is mounted: / on a host, another one in a container without a cgroup namespace.
	root string
	// own is the cgroup of the runtime, seen from mount. It is set by findOwn.
	own string
}

// errNoTrees is what a host without cgroups gets, and one where something else covers them.
var errNoTrees = fmt.Errorf("no cgroup file system on %s: mount it", sysfs)

// Detect returns how this host has mounted its cgroups.
func Detect() (Mode, error) {
	mode, _, err := findTrees(sysfs)
	return mode, err
}

// findTrees looks at the magic number of the file system on root, which is /sys/fs/cgroup: the step from there to the trees is
// one look at the mounts, and none at all for version 2. statfs(2)
func findTrees(root string) (Mode, []tree, error) {
	switch magic(root) {
	case unix.CGROUP2_SUPER_MAGIC:
		return V2, []tree{{version: 2, mount: root, root: "/", own: "/"}}, nil
	case 0:
		return "", nil, errNoTrees
	}
	mountinfo, err := os.ReadFile(procSelf + "/mountinfo")
	if err != nil {
		return "", nil, fmt.Errorf("%w (/proc is not mounted: mount -t proc proc /proc)", err)
	}
	// What is listed may be covered by a later mount.
	trees := slices.DeleteFunc(parseMountinfo(string(mountinfo), root), func(t tree) bool {
		m := magic(t.mount)
		return m != unix.CGROUP_SUPER_MAGIC && m != unix.CGROUP2_SUPER_MAGIC
	})
	mode := V1
	for _, t := range trees {
		if t.version == 2 {
			mode = Hybrid
		}
	}
	if len(trees) == 0 || len(trees) == 1 && mode == Hybrid {
		return "", nil, errNoTrees
	}
	return mode, trees, nil
}

// magic returns the magic number of the file system that a directory is in, or 0.
func magic(dir string) int64 {
	var stat unix.Statfs_t
	for {
		err := unix.Statfs(dir, &stat)
		if err == nil {
			return int64(stat.Type)
		}
		if !errors.Is(err, unix.EINTR) {
			return 0
		}
	}
}

// parseMountinfo returns the trees that are mounted below a directory. Of mounts on one point it takes the last, which covers
// the others, and of mounts of one tree the first. proc_pid_mountinfo(5)
func parseMountinfo(mountinfo, below string) []tree {
	var trees []tree
	for line := range strings.Lines(mountinfo) {
		t, ok := parseMount(line)
		if !ok || !strings.HasPrefix(t.mount, below+"/") {
			continue
		}
		trees = slices.DeleteFunc(trees, func(other tree) bool { return other.mount == t.mount })
		trees = append(trees, t)
	}
	var unique []tree
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

// parseMount takes a line such as this one apart, where the number of optional fields before the dash varies:
//
//	35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
func parseMount(line string) (tree, bool) {
	// Most lines are of other file systems.
	if !strings.Contains(line, " - cgroup") {
		return tree{}, false
	}
	before, after, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " - ")
	place, source := strings.Split(before, " "), strings.Split(after, " ")
	if len(place) < 6 || len(source) < 3 {
		return tree{}, false
	}
	t := tree{root: unescape(place[3]), mount: unescape(place[4]), own: "/"}
	t.name = path.Base(t.mount)
	switch source[0] {
	case "cgroup2":
		t.version = 2
		return t, true
	case "cgroup":
		t.version = 1
	default:
		return tree{}, false
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

// controllersV1 tells the controllers among the mount options of a tree of version 1. cgroups(7)
var controllersV1 = []string{
	"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "net_cls", "blkio", "perf_event", "net_prio", "hugetlb", "pids", "rdma", "misc", "debug",
}

// unescape turns the four bytes \040, that stand for a space, into one, and so for tab, newline and backslash.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// findOwn sets the cgroup in each tree that the runtime itself is in, seen from the mount point. It is an error if a tree is
// mounted from a cgroup that we are not in, which is so in some containers.
func findOwn(trees []tree, proc string) error {
	lines, err := os.ReadFile(proc + "/cgroup")
	if err != nil {
		return err
	}
	roots, err := findRoots(trees, proc)
	if err != nil {
		return err
	}
	for i := range trees {
		t := &trees[i]
		own, ok := ownCgroup(string(lines), *t)
		if ok {
			own, ok = below(roots[t.mount], own)
		}
		if !ok {
			return fmt.Errorf("linux.cgroupsPath: must be absolute here, because %s does not show the cgroup of this process", t.mount)
		}
		t.own = own
	}
	return nil
}

// findRoots returns the root of the mount at each mount point. The one of version 2 has not been looked up yet.
func findRoots(trees []tree, proc string) (map[string]string, error) {
	roots := map[string]string{}
	for _, t := range trees {
		roots[t.mount] = t.root
	}
	if len(trees) != 1 || trees[0].version != 2 {
		return roots, nil
	}
	mountinfo, err := os.ReadFile(proc + "/mountinfo")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(mountinfo)) {
		if t, ok := parseMount(line); ok && t.mount == trees[0].mount {
			roots[t.mount] = t.root
		}
	}
	return roots, nil
}

// ownCgroup returns the cgroup of a tree in the lines of /proc/PID/cgroup, which look like "4:memory:/user.slice". cgroups(7)
func ownCgroup(lines string, t tree) (string, bool) {
	for line := range strings.Lines(lines) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) != 3 || !path.IsAbs(fields[2]) {
			continue
		}
		isOurs := fields[0] == "0" && fields[1] == "" && t.version == 2
		if t.version == 1 {
			want := slices.Concat(t.controllers, []string{t.label})[0]
			isOurs = slices.Contains(strings.Split(fields[1], ","), want) && want != ""
		}
		if isOurs {
			return fields[2], true
		}
	}
	return "", false
}

// below returns a cgroup as seen from another one, which is above it or the same.
func below(root, cgroup string) (string, bool) {
	// This is how a cgroup outside of the cgroup namespace looks. cgroup_namespaces(7)
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
