//go:build linux

package oci

import (
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// checkSupported refuses the fields that this runtime cannot honour: to ignore them would be a promise not kept.
func checkSupported(spec *specs.Spec) error {
	process, linux := spec.Process, spec.Linux
	hooks, seccomp := spec.Hooks, linux.Seccomp
	if hooks == nil {
		hooks = &specs.Hooks{}
	}
	if seccomp == nil {
		seccomp = &specs.LinuxSeccomp{}
	}
	for _, field := range []struct {
		path string
		used bool
	}{
		//lint:ignore SA1019 engines still ask for it
		{"hooks.prestart", len(hooks.Prestart) > 0},
		{"hooks.createRuntime", len(hooks.CreateRuntime) > 0},
		{"hooks.createContainer", len(hooks.CreateContainer) > 0},
		{"hooks.startContainer", len(hooks.StartContainer) > 0},
		{"hooks.poststart", len(hooks.Poststart) > 0},
		{"hooks.poststop", len(hooks.Poststop) > 0},
		{"process.apparmorProfile", process.ApparmorProfile != ""},
		{"process.selinuxLabel", process.SelinuxLabel != ""},
		{"process.scheduler", process.Scheduler != nil},
		{"process.ioPriority", process.IOPriority != nil},
		{"process.execCPUAffinity", process.ExecCPUAffinity != nil},
		{"linux.uidMappings", len(linux.UIDMappings) > 0},
		{"linux.gidMappings", len(linux.GIDMappings) > 0},
		{"linux.timeOffsets", len(linux.TimeOffsets) > 0},
		{"linux.rootfsPropagation", linux.RootfsPropagation != ""},
		{"linux.netDevices", len(linux.NetDevices) > 0},
		{"linux.mountLabel", linux.MountLabel != ""},
		{"linux.intelRdt", linux.IntelRdt != nil},
		{"linux.memoryPolicy", linux.MemoryPolicy != nil},
		{"linux.personality", linux.Personality != nil},
		{"linux.seccomp.listenerPath", seccomp.ListenerPath != ""},
		{"solaris", spec.Solaris != nil},
		{"windows", spec.Windows != nil},
		{"vm", spec.VM != nil},
		{"zos", spec.ZOS != nil},
		{"freebsd", spec.FreeBSD != nil},
	} {
		if field.used {
			return fmt.Errorf("%s: not supported", field.path)
		}
	}
	for i, mount := range spec.Mounts {
		switch {
		case len(mount.UIDMappings) > 0:
			return fmt.Errorf("mounts[%d].uidMappings: not supported", i)
		case len(mount.GIDMappings) > 0:
			return fmt.Errorf("mounts[%d].gidMappings: not supported", i)
		}
		for j, option := range mount.Options {
			if slices.Contains([]string{"idmap", "ridmap"}, option) {
				return fmt.Errorf("mounts[%d].options[%d]: %q is not supported", i, j, option)
			}
		}
	}
	return nil
}
