//go:build linux

package rootless

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Translate changes the maps of a configuration with a user namespace of its own. The IDs in them are those of the host, as whoever wrote the
// configuration sees them, and the kernel wants the IDs of the user namespace that final is in. config-linux.md, "User namespace mappings"
func Translate(linux *specs.Linux) (err error) {
	if linux == nil {
		return nil
	}
	makes := slices.ContainsFunc(linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.UserNamespace && n.Path == "" })
	for _, m := range []struct {
		field, file string
		list        *[]specs.LinuxIDMapping
	}{{"linux.uidMappings", "/proc/self/uid_map", &linux.UIDMappings}, {"linux.gidMappings", "/proc/self/gid_map", &linux.GIDMappings}} {
		if !makes {
			continue
		}
		ours, err := read(m.file)
		switch {
		case err != nil:
		case len(*m.list) == 0:
			// Whoever wrote the configuration leaves the maps to the runtime: all IDs of the user, as crun does.
			*m.list = same(ours)
		default:
			*m.list, err = translate(*m.list, ours)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", m.field, err)
		}
	}
	return nil
}

// Maps are the maps of this process. The first range of each is the user who runs final, who is root here.
func Maps() (uids, gids []Range, err error) {
	if uids, err = read("/proc/self/uid_map"); err == nil {
		gids, err = read("/proc/self/gid_map")
	}
	if err == nil && (len(uids) == 0 || len(gids) == 0) {
		err = errors.New("/proc/self/uid_map and gid_map are empty")
	}
	return uids, gids, err
}

// Last is the highest ID of maps.
func Last(ranges []Range) (last uint64) {
	for _, r := range ranges {
		last = max(last, r.Inside+r.Size-1)
	}
	return last
}

// same are the maps that change no ID of ours.
func same(ours []Range) (list []specs.LinuxIDMapping) {
	for _, r := range ours {
		list = append(list, specs.LinuxIDMapping{ContainerID: uint32(r.Inside), HostID: uint32(r.Inside), Size: uint32(r.Size)})
	}
	return list
}

// read reads the map of this process: the IDs outside are those of the host.
func read(file string) (ranges []Range, err error) {
	content, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer content.Close()
	for {
		var r Range
		if n, _ := fmt.Fscan(content, &r.Inside, &r.Host, &r.Size); n != 3 {
			return ranges, nil
		}
		ranges = append(ranges, r)
	}
}

// translate replaces the IDs of the host by ours. A map that several of our ranges cover becomes several maps.
func translate(list []specs.LinuxIDMapping, ours []Range) (translated []specs.LinuxIDMapping, err error) {
	for _, m := range list {
		inside, host, left := uint64(m.ContainerID), uint64(m.HostID), uint64(m.Size)
		for left > 0 {
			r, ok := rangeOf(host, ours)
			if !ok {
				return nil, fmt.Errorf("hostID %d: is not yours: %w", host, errNotYours)
			}
			size := min(left, r.Host+r.Size-host)
			translated = append(translated, specs.LinuxIDMapping{ContainerID: uint32(inside), HostID: uint32(r.Inside + host - r.Host), Size: uint32(size)})
			inside, host, left = inside+size, host+size, left-size
		}
	}
	return translated, nil
}

var errNotYours = errors.New("name your own ID, or IDs that /etc/subuid and /etc/subgid give you")

func rangeOf(host uint64, ours []Range) (Range, bool) {
	for _, r := range ours {
		if host >= r.Host && host-r.Host < r.Size {
			return r, true
		}
	}
	return Range{}, false
}
