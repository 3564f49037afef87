//go:build linux

package spec

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// maxMappings is how many lines the kernel takes for the IDs of a user namespace. user_namespaces(7)
const maxMappings = 340

var namespaceTypes = []specs.LinuxNamespaceType{
	specs.MountNamespace, specs.PIDNamespace, specs.UTSNamespace, specs.IPCNamespace, specs.CgroupNamespace,
	specs.NetworkNamespace, specs.UserNamespace, specs.TimeNamespace,
}

// HasNamespace reports whether a container has a namespace of a type that is not the host's: a new namespace, or another's that it joins.
func HasNamespace(namespaces []specs.LinuxNamespace, kind specs.LinuxNamespaceType) bool {
	return slices.ContainsFunc(namespaces, func(n specs.LinuxNamespace) bool { return n.Type == kind })
}

// MakesNamespace reports whether a container gets a namespace of a type that nobody else has.
func MakesNamespace(namespaces []specs.LinuxNamespace, kind specs.LinuxNamespaceType) bool {
	return slices.Contains(namespaces, specs.LinuxNamespace{Type: kind})
}

func checkNamespaces(spec *specs.Spec) error {
	namespaces := spec.Linux.Namespaces
	for i, namespace := range namespaces {
		if !slices.Contains(namespaceTypes, namespace.Type) {
			return fmt.Errorf("linux.namespaces[%d].type: unknown namespace %q: must be mount, pid, uts, ipc, cgroup, network, user or time",
				i, namespace.Type)
		}
		if HasNamespace(namespaces[:i], namespace.Type) {
			return fmt.Errorf("linux.namespaces[%d].type: %q appears twice", i, namespace.Type)
		}
		if namespace.Path != "" && !isAbsolute(namespace.Path) {
			return fmt.Errorf("linux.namespaces[%d].path: %q: must be an absolute path", i, namespace.Path)
		}
	}
	return nil
}

// checkNames is about what the container is called, in its UTS namespace. uts_namespaces(7)
func checkNames(spec *specs.Spec) error {
	own := HasNamespace(spec.Linux.Namespaces, specs.UTSNamespace)
	for _, name := range [][2]string{{"hostname", spec.Hostname}, {"domainname", spec.Domainname}} {
		switch {
		case name[1] == "":
		case !own:
			return fmt.Errorf("%s: this name is the host's: add a uts namespace to linux.namespaces", name[0])
		case len(name[1]) > 64:
			return fmt.Errorf("%s: %d bytes: must be at most 64", name[0], len(name[1]))
		}
	}
	return nil
}

// checkMappings is about the IDs of a user namespace. One that is joined has its own, and those here are ignored: engines
// repeat them. user_namespaces(7)
func checkMappings(spec *specs.Spec) error {
	linux := spec.Linux
	made := MakesNamespace(spec.Linux.Namespaces, specs.UserNamespace)
	for _, list := range []struct {
		path     string
		mappings []specs.LinuxIDMapping
	}{{"linux.uidMappings", linux.UIDMappings}, {"linux.gidMappings", linux.GIDMappings}} {
		switch {
		case made && len(list.mappings) == 0:
			return fmt.Errorf("%s: missing: the user namespace in linux.namespaces needs them", list.path)
		case len(list.mappings) > 0 && !HasNamespace(linux.Namespaces, specs.UserNamespace):
			return fmt.Errorf("%s: the container uses the host's IDs: add a user namespace to linux.namespaces", list.path)
		case made:
			if err := checkRanges(list.path, list.mappings); err != nil {
				return err
			}
			if !isMapped(0, list.mappings) {
				return fmt.Errorf("%s: containerID 0 is missing: process 1 needs it while it makes the container", list.path)
			}
		}
	}
	if !made {
		return nil
	}
	return checkMapped(spec)
}

// checkRanges refuses what the kernel would answer with EINVAL.
func checkRanges(path string, mappings []specs.LinuxIDMapping) error {
	if len(mappings) > maxMappings {
		return fmt.Errorf("%s: %d ranges: must be at most %d", path, len(mappings), maxMappings)
	}
	for i, m := range mappings {
		size := uint64(m.Size)
		switch {
		case size == 0:
			return fmt.Errorf("%s[%d].size: must be above 0", path, i)
		case uint64(m.ContainerID)+size > math.MaxUint32 || uint64(m.HostID)+size > math.MaxUint32:
			return fmt.Errorf("%s[%d]: the last ID is above %d", path, i, uint32(math.MaxUint32)-1)
		}
		for j, other := range mappings[:i] {
			if overlap(m.ContainerID, m.Size, other.ContainerID, other.Size) || overlap(m.HostID, m.Size, other.HostID, other.Size) {
				return fmt.Errorf("%s[%d]: overlaps with %s[%d]: name each ID at most once, in the container and on the host",
					path, i, path, j)
			}
		}
	}
	return nil
}

// overlap reports whether two ranges that fit 32 bits have an ID in common.
func overlap(a, sizeA, b, sizeB uint32) bool { return a < b+sizeB && b < a+sizeA }

// checkMapped refuses a user that does not exist in the user namespace. setresuid(2)
func checkMapped(spec *specs.Spec) error {
	user := spec.Process.User
	if !isMapped(user.UID, spec.Linux.UIDMappings) {
		return fmt.Errorf("process.user.uid: %d: must be an ID in linux.uidMappings", user.UID)
	}
	if !isMapped(user.GID, spec.Linux.GIDMappings) {
		return fmt.Errorf("process.user.gid: %d: must be an ID in linux.gidMappings", user.GID)
	}
	for i, gid := range user.AdditionalGids {
		if !isMapped(gid, spec.Linux.GIDMappings) {
			return fmt.Errorf("process.user.additionalGids[%d]: %d: must be an ID in linux.gidMappings", i, gid)
		}
	}
	return nil
}

func isMapped(id uint32, mappings []specs.LinuxIDMapping) bool {
	return slices.ContainsFunc(mappings, func(m specs.LinuxIDMapping) bool { return overlap(m.ContainerID, m.Size, id, 1) })
}

// checkOffsets is about the clocks: they can be set as long as nobody is in the namespace. time_namespaces(7)
func checkOffsets(spec *specs.Spec) error {
	offsets := spec.Linux.TimeOffsets
	if len(offsets) > 0 && !MakesNamespace(spec.Linux.Namespaces, specs.TimeNamespace) {
		return errors.New("linux.timeOffsets: need a new time namespace: add one without a path to linux.namespaces")
	}
	for _, clock := range slices.Sorted(maps.Keys(offsets)) {
		if clock != "monotonic" && clock != "boottime" {
			return fmt.Errorf("linux.timeOffsets[%q]: unknown clock: must be monotonic or boottime", clock)
		}
		if n := offsets[clock].Nanosecs; n >= 1e9 {
			return fmt.Errorf("linux.timeOffsets[%q].nanosecs: %d: must be less than 1000000000, one second", clock, n)
		}
	}
	return nil
}
