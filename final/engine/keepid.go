//go:build linux

package engine

import (
	"errors"
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"

	"container-workshop/final/engine/flags"
	"container-workshop/final/engine/ids"
	"container-workshop/final/rootless"
)

// keepID gives the container a user namespace in which the user who runs final has the same ID as on the host. So a volume shows your files
// as yours, and the command runs as you unless --user names somebody else. All other users of the container, root too, are IDs of /etc/subuid.
// keepID returns the IDs that the container's root has in our user namespace.
func keepID(config *specs.Spec) (own ids.Range, err error) {
	linux := config.Linux
	uids, gids, err := rootless.Maps()
	if err != nil {
		return own, err
	}
	if linux.UIDMappings, err = around(uids); err == nil {
		linux.GIDMappings, err = around(gids)
	}
	if err != nil {
		return own, fmt.Errorf("--userns keep-id: %w", err)
	}
	linux.Namespaces = append(linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	return ids.Range{UID: 1, GID: 1}, nil
}

// asYou is the user of the command for --userns keep-id.
func asYou(options *flags.Options) error {
	if !rootless.Entered() {
		return errors.New("--userns keep-id is for users without root: root keeps its ID in every container (leave the flag out)")
	}
	if options.User != "" {
		return nil
	}
	uids, gids, err := rootless.Maps()
	if err == nil {
		options.User = fmt.Sprintf("%d:%d", uids[0].Host, gids[0].Host)
	}
	return err
}

// around maps an ID of the host to itself, and the IDs before and after to the other IDs of the user. In our user namespace the ID of the user
// is 0, and the others are 1, 2, ….
func around(ranges []rootless.Range) ([]specs.LinuxIDMapping, error) {
	keep, others := ranges[0].Host, uint64(0)
	for _, r := range ranges[1:] {
		others += r.Size
	}
	if others == 0 {
		return nil, errors.New("needs a range of IDs for the container's root: add a line for you to /etc/subuid and to /etc/subgid")
	}
	before := min(keep, others)
	list := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 1, Size: uint32(before)}, {ContainerID: uint32(keep), HostID: 0, Size: 1}}
	if after := others - before; after > 0 {
		list = append(list, specs.LinuxIDMapping{ContainerID: uint32(keep + 1), HostID: uint32(before + 1), Size: uint32(after)})
	}
	return list, nil
}
