//go:build linux

package spec

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Validate returns an error unless the configuration can be honoured as a whole, as far as that can be seen without looking
// at the host. An error is one line that starts with the path of the field, as in "process.cwd: "tmp": must be an absolute path".
//
// A configuration without an error has the sections process, root and linux. OCI runtime
// specification, config.md and config-linux.md
func Validate(spec *specs.Spec) error {
	for _, check := range []func(*specs.Spec) error{
		checkPresent, checkSupported, checkProcessOf, checkHooks, checkNamespaces, checkNames, checkMappings, checkOffsets, checkMounts,
		checkPaths, checkKernel, checkDevices, checkSysctls, checkMemoryPolicy, checkNetDevices,
	} {
		if err := check(spec); err != nil {
			return err
		}
	}
	return nil
}

func checkPresent(spec *specs.Spec) error {
	switch {
	case spec.Process == nil:
		return errors.New("process: missing: name a command in process.args")
	case spec.Root == nil:
		return errors.New("root: missing: name the root file system in root.path")
	case spec.Root.Path == "":
		return errors.New("root.path: missing: name the directory of the root file system")
	case strings.ContainsRune(spec.Root.Path, 0):
		return fmt.Errorf("root.path: %q: must not contain NUL", spec.Root.Path)
	case spec.Linux == nil:
		return errors.New("linux: missing: final makes Linux containers only")
	}
	return checkVersion(spec.Version)
}

func checkProcessOf(spec *specs.Spec) error { return checkProcess(spec.Process) }

func checkPaths(spec *specs.Spec) error {
	for _, list := range []struct {
		path  string
		names []string
	}{{"linux.maskedPaths", spec.Linux.MaskedPaths}, {"linux.readonlyPaths", spec.Linux.ReadonlyPaths}} {
		for i, name := range list.names {
			if !isAbsolute(name) {
				return fmt.Errorf("%s[%d]: %q: must be an absolute path", list.path, i, name)
			}
		}
	}
	known := []string{"", "private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable"}
	if !slices.Contains(known, spec.Linux.RootfsPropagation) {
		return fmt.Errorf("linux.rootfsPropagation: %q: must be private, slave, shared or unbindable, or one of these with r in front",
			spec.Linux.RootfsPropagation)
	}
	return nil
}

// isAbsolute reports whether the kernel takes a text for an absolute path as it is.
func isAbsolute(name string) bool { return path.IsAbs(name) && !strings.ContainsRune(name, 0) }

// checkKernel looks at what the kernel is asked for the container as a whole. personality(2), seccomp_unotify(2)
func checkKernel(spec *specs.Spec) error {
	if p := spec.Linux.Personality; p != nil {
		if p.Domain != specs.PerLinux && p.Domain != specs.PerLinux32 {
			return fmt.Errorf("linux.personality.domain: %q: must be %s or %s", p.Domain, specs.PerLinux, specs.PerLinux32)
		}
		if len(p.Flags) > 0 {
			return fmt.Errorf("linux.personality.flags[0]: %q: unknown flag: the specification defines no flags", p.Flags[0])
		}
	}
	if s := spec.Linux.Seccomp; s != nil {
		if s.ListenerPath != "" && !isAbsolute(s.ListenerPath) {
			return fmt.Errorf("linux.seccomp.listenerPath: %q: must be the absolute path of a socket", s.ListenerPath)
		}
		if s.ListenerPath == "" && s.ListenerMetadata != "" {
			return errors.New("linux.seccomp.listenerMetadata: has no listener: set listenerPath too")
		}
	}
	// The label becomes an option of mounts, within quotes: none may end there. selinux(8)
	if label := spec.Linux.MountLabel; CheckPrintable(label) != nil || strings.Contains(label, `"`) {
		return fmt.Errorf("linux.mountLabel: %q: must not contain quotes or control characters", label)
	}
	return nil
}

func checkDevices(spec *specs.Spec) error {
	for i, device := range spec.Linux.Devices {
		switch {
		case !isAbsolute(device.Path):
			return fmt.Errorf("linux.devices[%d].path: %q: must be an absolute path", i, device.Path)
		case !slices.Contains([]string{"c", "u", "b", "p"}, device.Type):
			return fmt.Errorf("linux.devices[%d].type: %q: must be c, u, b or p", i, device.Type)
		// A FIFO has no numbers.
		case device.Type != "p" && (!isDeviceNumber(device.Major) || !isDeviceNumber(device.Minor)):
			return fmt.Errorf("linux.devices[%d]: %d:%d is not a device number", i, device.Major, device.Minor)
		}
	}
	if spec.Linux.Resources == nil {
		return nil
	}
	if err := checkRules(spec.Linux.Resources); err != nil {
		return fmt.Errorf("linux.resources.%w", err)
	}
	return nil
}

func checkRules(resources *specs.LinuxResources) error {
	for i, rule := range resources.Devices {
		switch {
		case !slices.Contains([]string{"", "a", "c", "b"}, rule.Type):
			return fmt.Errorf("devices[%d].type: %q: must be a, c or b", i, rule.Type)
		case rule.Access != "" && !IsAccess(rule.Access):
			return fmt.Errorf("devices[%d].access: %q: must be made of r, w and m", i, rule.Access)
		}
	}
	return nil
}

// isDeviceNumber reports whether n fits the kernel's device numbers, of 32 bits in all. makedev(3)
func isDeviceNumber(n int64) bool { return n >= 0 && n <= math.MaxUint32 }

func checkSysctls(spec *specs.Spec) error {
	for _, key := range slices.Sorted(maps.Keys(spec.Linux.Sysctl)) {
		if err := CheckSysctl(key, spec.Linux.Namespaces); err != nil {
			return fmt.Errorf("linux.sysctl[%q]: %w", key, err)
		}
		if strings.ContainsRune(spec.Linux.Sysctl[key], 0) {
			return fmt.Errorf("linux.sysctl[%q]: must not contain NUL", key)
		}
	}
	return nil
}
