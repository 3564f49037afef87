//go:build linux

package spec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// mounts checks what a mount needs from other sections. The room that makes the mount judges types and options.
func (v *verdict) mounts(spec *specs.Spec) {
	for i, m := range spec.Mounts {
		field := fmt.Sprintf("mounts[%d]", i)
		// The specification has deprecated relative destinations, and still allows them: they are below /.
		v.refuse(m.Destination == "", "%s.destination: missing: name a path in the container", field)
		v.refuse(isBind(m) && m.Source == "", "%s.source: missing: name a file or directory", field)
		v.refuse(hasNUL(m.Destination+m.Source+m.Type+strings.Join(m.Options, "")), "%s: must not contain NUL", field)
		v.idMap(field, m, HasNamespace(spec.Linux.Namespaces, specs.UserNamespace))
	}
}

func isBind(m specs.Mount) bool {
	return m.Type == "bind" || slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind")
}

// idMap checks a mount that shows its files with other owners. Without mappings of its own, the mount uses the mappings of the
// container's user namespace. mount_setattr(2), section ID-mapped mounts
func (v *verdict) idMap(field string, m specs.Mount, userNamespace bool) {
	word, option := slices.IndexFunc(m.Options, func(option string) bool { return option == "idmap" || option == "ridmap" }), ""
	if word >= 0 {
		option = m.Options[word]
	}
	uids, gids := len(m.UIDMappings) > 0, len(m.GIDMappings) > 0
	v.refuse(!isBind(m) && option != "", "%s.options[%d]: %q is not supported on type %q: use a bind mount", field, word, option, m.Type)
	v.refuse(!isBind(m) && (uids || gids), "%s: uidMappings and gidMappings are not supported on type %q: use a bind mount", field, m.Type)
	v.refuse(uids && !gids, "%s.gidMappings: missing: set gidMappings as well as uidMappings", field)
	v.refuse(gids && !uids, "%s.uidMappings: missing: set uidMappings as well as gidMappings", field)
	v.refuse(option != "" && !uids && !userNamespace, "%s.options[%d]: %q: needs uidMappings and gidMappings, or a user namespace in linux.namespaces",
		field, word, option)
	v.ranges(field+".uidMappings", m.UIDMappings)
	v.ranges(field+".gidMappings", m.GIDMappings)
}
