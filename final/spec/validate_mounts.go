//go:build linux

package spec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// checkMounts leaves the words of a mount to whoever mounts, but for what the other sections have a say in.
func checkMounts(spec *specs.Spec) error {
	for i, mount := range spec.Mounts {
		switch {
		// A relative one is below /: the specification allows it, though no longer for new configurations.
		case mount.Destination == "":
			return fmt.Errorf("mounts[%d].destination: missing: name a path in the container", i)
		case isBind(mount) && mount.Source == "":
			return fmt.Errorf("mounts[%d].source: missing: name a file or directory", i)
		case strings.ContainsRune(mount.Destination+mount.Source+mount.Type+strings.Join(mount.Options, ""), 0):
			return fmt.Errorf("mounts[%d]: must not contain NUL", i)
		}
		if err := checkIDMap(fmt.Sprintf("mounts[%d]", i), mount, HasNamespace(spec.Linux.Namespaces, specs.UserNamespace)); err != nil {
			return err
		}
	}
	return nil
}

func isBind(mount specs.Mount) bool {
	return mount.Type == "bind" || slices.Contains(mount.Options, "bind") || slices.Contains(mount.Options, "rbind")
}

// checkIDMap is about a mount whose files belong to others than those on the host. Without IDs of its own it has those of the
// container. mount_setattr(2), section ID-mapped mounts
func checkIDMap(place string, mount specs.Mount, userNamespace bool) error {
	word := slices.IndexFunc(mount.Options, func(option string) bool { return option == "idmap" || option == "ridmap" })
	uids, gids := len(mount.UIDMappings) > 0, len(mount.GIDMappings) > 0
	switch {
	case word < 0 && !uids && !gids:
		return nil
	case !isBind(mount) && word >= 0:
		return fmt.Errorf("%s.options[%d]: %q is not supported on type %q: use a bind mount",
			place, word, mount.Options[word], mount.Type)
	case !isBind(mount):
		return fmt.Errorf("%s: uidMappings and gidMappings are not supported on type %q: use a bind mount", place, mount.Type)
	case uids && !gids:
		return fmt.Errorf("%s.gidMappings: missing: set gidMappings as well as uidMappings", place)
	case gids && !uids:
		return fmt.Errorf("%s.uidMappings: missing: set uidMappings as well as gidMappings", place)
	case !uids && !userNamespace:
		return fmt.Errorf("%s.options[%d]: %q: needs uidMappings and gidMappings, or a user namespace in linux.namespaces",
			place, word, mount.Options[word])
	}
	if err := checkRanges(place+".uidMappings", mount.UIDMappings); err != nil {
		return err
	}
	return checkRanges(place+".gidMappings", mount.GIDMappings)
}
