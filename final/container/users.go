//go:build linux

package container

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"container-workshop/final/more/idmap"
)

// CheckUser refuses a user or a group that the user namespace of a running container does not have. The kernel would say only EINVAL.
// user_namespaces(7)
func (c *Container) CheckUser(user specs.User) error {
	if c.lost != nil {
		return c.lost
	}
	ids, err := idmap.Read(c.Pid)
	if !c.IsAlive() {
		return c.justEnded()
	}
	if err != nil {
		return err
	}
	for _, id := range []struct {
		kind string
		id   uint32
		maps []specs.LinuxIDMapping
	}{{"user", user.UID, ids.Users}, {"group", user.GID, ids.Groups}} {
		if !has(id.maps, id.id) {
			return fmt.Errorf("%s %d: the container has only %s", id.kind, id.id, spans(id.kind, id.maps))
		}
	}
	for _, gid := range user.AdditionalGids {
		if !has(ids.Groups, gid) {
			return fmt.Errorf("additional group %d: the container has only %s", gid, spans("group", ids.Groups))
		}
	}
	return nil
}

func has(maps []specs.LinuxIDMapping, id uint32) bool {
	return slices.ContainsFunc(maps, func(m specs.LinuxIDMapping) bool { return id >= m.ContainerID && id-m.ContainerID < m.Size })
}

// spans names the IDs of a map, such as "the users 0 to 65535" or "user 0". Ranges without a gap between them count as one.
func spans(kind string, maps []specs.LinuxIDMapping) string {
	maps = slices.Clone(maps)
	slices.SortFunc(maps, func(a, b specs.LinuxIDMapping) int { return cmp.Compare(a.ContainerID, b.ContainerID) })
	var all []string
	for i := 0; i < len(maps); {
		first, next := maps[i].ContainerID, maps[i].ContainerID
		for ; i < len(maps) && maps[i].ContainerID == next; i++ {
			next += maps[i].Size
		}
		span := fmt.Sprint(first)
		if next-1 > first {
			span += fmt.Sprintf(" to %d", next-1)
		}
		all = append(all, span)
	}
	if len(maps) == 1 && maps[0].Size == 1 {
		return kind + " " + all[0]
	}
	return fmt.Sprintf("the %ss %s", kind, strings.Join(all, ", "))
}
