//go:build linux

package rootless

import (
	"errors"
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Translate changes the maps of a configuration with a user namespace of its own. The IDs in them are those of the host, as whoever wrote the
// configuration sees them, and the kernel wants the IDs of the user namespace that final is in. config-linux.md, "User namespace mappings"
func Translate(linux *specs.Linux) (err error) {
	if linux == nil {
		return nil
	}
	for _, m := range []struct {
		field, file string
		list        *[]specs.LinuxIDMapping
	}{{"linux.uidMappings", "/proc/self/uid_map", &linux.UIDMappings}, {"linux.gidMappings", "/proc/self/gid_map", &linux.GIDMappings}} {
		if len(*m.list) == 0 {
			continue
		}
		ours, err := read(m.file)
		if err == nil {
			*m.list, err = translate(*m.list, ours)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", m.field, err)
		}
	}
	return nil
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
