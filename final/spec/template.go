//go:build linux

package spec

import (
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/capability"
)

// Template returns a configuration to start from: a shell on a terminal, with few rights. A rootless template is for a caller who is not
// root on the host. Its user namespace makes the caller root, and it asks for nothing that only the host's root can do.
//
// The template has no seccomp filter, because only you know what your command needs.
func Template(rootless bool, uid, gid uint32) *specs.Spec {
	// runc's template has the same capabilities. All of them are harmless.
	const rights capability.Set = 1<<unix.CAP_AUDIT_WRITE | 1<<unix.CAP_KILL | 1<<unix.CAP_NET_BIND_SERVICE
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
			Namespaces:    DefaultNamespaces(true),
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

// withoutRoot turns a template into a rootless one: it uses the host's cgroups and network. user_namespaces(7)
func withoutRoot(spec *specs.Spec, uid, gid uint32) {
	spec.Linux.Resources = nil
	spec.Linux.Namespaces = append(DefaultNamespaces(false), specs.LinuxNamespace{Type: specs.UserNamespace})
	spec.Linux.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: uid, Size: 1}}
	spec.Linux.GIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: gid, Size: 1}}
	for i, mount := range spec.Mounts {
		switch mount.Destination {
		case "/sys":
			// A sysfs shows the network, so the kernel makes a new sysfs only for the owner of the network namespace.
			options := []string{"rbind", "nosuid", "noexec", "nodev", "rro"}
			spec.Mounts[i] = specs.Mount{Destination: "/sys", Type: "bind", Source: "/sys", Options: options}
		case "/dev/pts":
			// The user namespace has no group 5, the group of terminals.
			spec.Mounts[i].Options = slices.DeleteFunc(mount.Options, func(option string) bool { return option == "gid=5" })
		}
	}
}
