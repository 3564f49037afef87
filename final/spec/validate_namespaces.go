//go:build linux

package spec

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"container-workshop/final/namespace"
)

// maxMappings is how many ranges of IDs the kernel takes for a user namespace. user_namespaces(7)
const maxMappings = 340

// HasNamespace reports whether a container does without the host's namespace of a type: it makes a new one, or joins another.
func HasNamespace(namespaces []specs.LinuxNamespace, kind specs.LinuxNamespaceType) bool {
	return slices.ContainsFunc(namespaces, func(n specs.LinuxNamespace) bool { return n.Type == kind })
}

// MakesNamespace reports whether a container makes a new namespace of a type.
func MakesNamespace(namespaces []specs.LinuxNamespace, kind specs.LinuxNamespaceType) bool {
	return slices.Contains(namespaces, specs.LinuxNamespace{Type: kind})
}

func (v *verdict) namespaces(spec *specs.Spec) {
	types := namespace.Types()
	for i, n := range spec.Linux.Namespaces {
		field := fmt.Sprintf("linux.namespaces[%d]", i)
		v.refuse(!slices.Contains(types, string(n.Type)), "%s.type: unknown namespace %q: must be one of %s", field, n.Type, strings.Join(types, ", "))
		v.refuse(HasNamespace(spec.Linux.Namespaces[:i], n.Type), "%s.type: %q appears twice", field, n.Type)
		if n.Path != "" {
			v.absolute(field+".path", n.Path)
		}
	}
}

// names checks the names that the container has in its UTS namespace. uts_namespaces(7)
func (v *verdict) names(spec *specs.Spec) {
	own := HasNamespace(spec.Linux.Namespaces, specs.UTSNamespace)
	for _, field := range [][2]string{{"hostname", spec.Hostname}, {"domainname", spec.Domainname}} {
		v.refuse(field[1] != "" && !own, "%s: this name is the host's: add a uts namespace to linux.namespaces", field[0])
		v.refuse(len(field[1]) > 64, "%s: %d bytes: must be at most 64", field[0], len(field[1]))
	}
}

// mappings checks the IDs of a new user namespace. A user namespace that the container joins has IDs already: engines repeat them in
// the configuration, and final ignores them. user_namespaces(7)
func (v *verdict) mappings(spec *specs.Spec) {
	linux, user := spec.Linux, spec.Process.User
	made, own := MakesNamespace(linux.Namespaces, specs.UserNamespace), HasNamespace(linux.Namespaces, specs.UserNamespace)
	v.mapped("linux.uidMappings", linux.UIDMappings, made, own)
	v.mapped("linux.gidMappings", linux.GIDMappings, made, own)
	if !made {
		return
	}
	v.refuse(!isMapped(user.UID, linux.UIDMappings), "process.user.uid: %d: must be an ID in linux.uidMappings", user.UID)
	v.refuse(!isMapped(user.GID, linux.GIDMappings), "process.user.gid: %d: must be an ID in linux.gidMappings", user.GID)
	for i, gid := range user.AdditionalGids {
		v.refuse(!isMapped(gid, linux.GIDMappings), "process.user.additionalGids[%d]: %d: must be an ID in linux.gidMappings", i, gid)
	}
}

// mapped checks the user or group IDs of a container that has its own user namespace, or a new one, or neither.
func (v *verdict) mapped(field string, mappings []specs.LinuxIDMapping, made, own bool) {
	v.refuse(made && len(mappings) == 0, "%s: missing: the user namespace in linux.namespaces needs them", field)
	v.refuse(!own && len(mappings) > 0, "%s: the container uses the host's IDs: add a user namespace to linux.namespaces", field)
	if made {
		v.ranges(field, mappings)
		v.refuse(!isMapped(0, mappings), "%s: containerID 0 is missing: process 1 needs it while it makes the container", field)
	}
}

// ranges refuses IDs for which the kernel says no more than EINVAL.
func (v *verdict) ranges(field string, mappings []specs.LinuxIDMapping) {
	if len(mappings) > maxMappings {
		v.refuse(true, "%s: %d ranges: must be at most %d", field, len(mappings), maxMappings)
		return
	}
	for i, m := range mappings {
		last := uint64(max(m.ContainerID, m.HostID)) + uint64(m.Size)
		v.refuse(m.Size == 0, "%s[%d].size: must be above 0", field, i)
		v.refuse(last > math.MaxUint32, "%s[%d]: the last ID is above %d", field, i, uint32(math.MaxUint32)-1)
		for j, o := range mappings[:i] {
			v.refuse(overlap(m.ContainerID, m.Size, o.ContainerID, o.Size) || overlap(m.HostID, m.Size, o.HostID, o.Size),
				"%s[%d]: overlaps with %s[%d]: name each ID at most once, in the container and on the host", field, i, field, j)
		}
	}
}

// overlap reports whether two ranges that fit 32 bits have an ID in common.
func overlap(a, sizeA, b, sizeB uint32) bool { return a < b+sizeB && b < a+sizeA }

func isMapped(id uint32, mappings []specs.LinuxIDMapping) bool {
	return slices.ContainsFunc(mappings, func(m specs.LinuxIDMapping) bool { return overlap(m.ContainerID, m.Size, id, 1) })
}

// timeOffsets checks the clocks of a time namespace. Nobody can set them once a process is in the namespace. time_namespaces(7)
func (v *verdict) timeOffsets(linux *specs.Linux) {
	v.refuse(len(linux.TimeOffsets) > 0 && !MakesNamespace(linux.Namespaces, specs.TimeNamespace),
		"linux.timeOffsets: need a new time namespace: add one without a path to linux.namespaces")
	for _, clock := range slices.Sorted(maps.Keys(linux.TimeOffsets)) {
		nanosecs := linux.TimeOffsets[clock].Nanosecs
		v.refuse(clock != "monotonic" && clock != "boottime", "linux.timeOffsets[%q]: unknown clock: must be monotonic or boottime", clock)
		v.refuse(nanosecs >= 1e9, "linux.timeOffsets[%q].nanosecs: %d: must be less than 1000000000, one second", clock, nanosecs)
	}
}
