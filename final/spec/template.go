//go:build linux

package spec

import (
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/capability"
)

// templateRights are what runc's template has, too: all of them are harmless.
const templateRights capability.Set = 1<<unix.CAP_AUDIT_WRITE | 1<<unix.CAP_KILL | 1<<unix.CAP_NET_BIND_SERVICE

// Template returns a configuration to start from, for the bundle that it is written to: a shell on a terminal, which may do
// little. A rootless one is for a caller who is not root on the host: it has a user namespace, in which the caller's IDs are
// root's, and does without what only the host's root can do.
//
// It has no seccomp filter: whoever completes the configuration knows what the command needs.
func Template(rootless bool, uid, gid uint32) *specs.Spec {
	rights := templateRights
	spec := &specs.Spec{
		Version: specs.Version,
		Process: &specs.Process{
			Terminal:        true,
			Args:            []string{"sh"},
			Env:             []string{DefaultPath, "TERM=xterm"},
			Cwd:             "/",
			Capabilities:    capability.Sets{Bounding: rights, Effective: rights, Permitted: rights}.Spec(),
			NoNewPrivileges: true,
		},
		Root:     &specs.Root{Path: "rootfs", Readonly: true},
		Hostname: "container",
		Mounts:   DefaultMounts(false),
		Linux: &specs.Linux{
			Namespaces:    NewNamespaces(true),
			Resources:     &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}},
			MaskedPaths:   MaskedPaths(),
			ReadonlyPaths: ReadonlyPaths(),
		},
	}
	if rootless {
		withoutRoot(spec, uid, gid)
	}
	return spec
}

// withoutRoot leaves cgroups alone, and the network, whose devices are the host's to give. user_namespaces(7)
func withoutRoot(spec *specs.Spec, uid, gid uint32) {
	spec.Linux.Resources = nil
	spec.Linux.Namespaces = NewNamespaces(false)
	spec.Linux.Namespaces = append(spec.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	spec.Linux.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: uid, Size: 1}}
	spec.Linux.GIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: gid, Size: 1}}
	for i, mount := range spec.Mounts {
		switch mount.Destination {
		case "/sys":
			// A new sysfs shows the network, and so is for those only to whom that belongs.
			options := []string{"rbind", "nosuid", "noexec", "nodev", "rro"}
			spec.Mounts[i] = specs.Mount{Destination: "/sys", Type: "bind", Source: "/sys", Options: options}
		case "/dev/pts":
			// There is no group 5, the terminals' own.
			spec.Mounts[i].Options = slices.DeleteFunc(mount.Options, func(option string) bool { return option == "gid=5" })
		}
	}
}
