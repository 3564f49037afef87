//go:build linux

package oci

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

// owned reports whether there is a namespace of a type in a list: a new one, or another's that is joined. Those that are not
// are the host's.
func owned(namespaces []specs.LinuxNamespace) func(specs.LinuxNamespaceType) bool {
	return func(kind specs.LinuxNamespaceType) bool {
		return slices.ContainsFunc(namespaces, func(n specs.LinuxNamespace) bool { return n.Type == kind })
	}
}

// isNew reports whether a namespace of a type is to be made.
func isNew(spec *specs.Spec, kind specs.LinuxNamespaceType) bool {
	return slices.Contains(spec.Linux.Namespaces, specs.LinuxNamespace{Type: kind})
}

func checkNamespaces(spec *specs.Spec) error {
	namespaces := spec.Linux.Namespaces
	for i, namespace := range namespaces {
		if !slices.Contains(namespaceTypes, namespace.Type) {
			return fmt.Errorf("linux.namespaces[%d].type: no namespace %q: want mount, pid, uts, ipc, cgroup, network, user or time",
				i, namespace.Type)
		}
		if owned(namespaces[:i])(namespace.Type) {
			return fmt.Errorf("linux.namespaces[%d].type: %q is there twice", i, namespace.Type)
		}
		if namespace.Path != "" && !isAbsolute(namespace.Path) {
			return fmt.Errorf("linux.namespaces[%d].path: %q: want an absolute path", i, namespace.Path)
		}
	}
	return nil
}

// checkNames is about what the container is called, in its UTS namespace. uts_namespaces(7)
func checkNames(spec *specs.Spec) error {
	own := owned(spec.Linux.Namespaces)(specs.UTSNamespace)
	for _, name := range [][2]string{{"hostname", spec.Hostname}, {"domainname", spec.Domainname}} {
		switch {
		case name[1] == "":
		case !own:
			return fmt.Errorf("%s: it is the host's: want a uts namespace in linux.namespaces", name[0])
		case len(name[1]) > 64:
			return fmt.Errorf("%s: %d bytes: want 64 at most", name[0], len(name[1]))
		}
	}
	return nil
}

// checkMappings is about the IDs of a user namespace. One that is joined has its own, and those here are ignored: engines
// repeat them. user_namespaces(7)
func checkMappings(spec *specs.Spec) error {
	linux := spec.Linux
	made := isNew(spec, specs.UserNamespace)
	for _, list := range []struct {
		path     string
		mappings []specs.LinuxIDMapping
	}{{"linux.uidMappings", linux.UIDMappings}, {"linux.gidMappings", linux.GIDMappings}} {
		switch {
		case made && len(list.mappings) == 0:
			return fmt.Errorf("%s: missing: want the IDs of the user namespace in linux.namespaces", list.path)
		case len(list.mappings) > 0 && !owned(linux.Namespaces)(specs.UserNamespace):
			return fmt.Errorf("%s: the IDs are the host's: want a user namespace in linux.namespaces", list.path)
		case made:
			if err := checkRanges(list.path, list.mappings); err != nil {
				return err
			}
			if !isMapped(0, list.mappings) {
				return fmt.Errorf("%s: no containerID 0: want one, for process 1 while it makes the container", list.path)
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
		return fmt.Errorf("%s: %d ranges: want %d at most", path, len(mappings), maxMappings)
	}
	for i, m := range mappings {
		size := uint64(m.Size)
		switch {
		case size == 0:
			return fmt.Errorf("%s[%d].size: want a number above 0", path, i)
		case uint64(m.ContainerID)+size > math.MaxUint32 || uint64(m.HostID)+size > math.MaxUint32:
			return fmt.Errorf("%s[%d]: the last ID is above %d", path, i, uint32(math.MaxUint32)-1)
		}
		for j, other := range mappings[:i] {
			if overlap(m.ContainerID, m.Size, other.ContainerID, other.Size) || overlap(m.HostID, m.Size, other.HostID, other.Size) {
				return fmt.Errorf("%s[%d]: it overlaps with %s[%d]: want each ID once at most, in the container and on the host",
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
		return fmt.Errorf("process.user.uid: %d: want an ID that is in linux.uidMappings", user.UID)
	}
	if !isMapped(user.GID, spec.Linux.GIDMappings) {
		return fmt.Errorf("process.user.gid: %d: want an ID that is in linux.gidMappings", user.GID)
	}
	for i, gid := range user.AdditionalGids {
		if !isMapped(gid, spec.Linux.GIDMappings) {
			return fmt.Errorf("process.user.additionalGids[%d]: %d: want an ID that is in linux.gidMappings", i, gid)
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
	if len(offsets) > 0 && !isNew(spec, specs.TimeNamespace) {
		return errors.New("linux.timeOffsets: want a new time namespace in linux.namespaces, without path")
	}
	for _, clock := range slices.Sorted(maps.Keys(offsets)) {
		if clock != "monotonic" && clock != "boottime" {
			return fmt.Errorf("linux.timeOffsets[%q]: no such clock: want monotonic or boottime", clock)
		}
		if n := offsets[clock].Nanosecs; n >= 1e9 {
			return fmt.Errorf("linux.timeOffsets[%q].nanosecs: %d: want less than a second, 1000000000", clock, n)
		}
	}
	return nil
}
