//go:build linux

package oci

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
// at the host. An error is one line that starts with the path of the field, as in "linux.intelRdt: not supported".
//
// A configuration without an error has the sections process, root and linux. OCI runtime specification, config.md and
// config-linux.md
func Validate(spec *specs.Spec) error {
	for _, check := range []func(*specs.Spec) error{
		checkPresent, checkSupported, checkProcess, checkUser, checkRlimits, checkNamespaces, checkMounts, checkPaths, checkDevices, checkSysctls,
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
		return errors.New("process: missing")
	case len(spec.Process.Args) == 0:
		return errors.New("process.args: missing: want a command")
	case spec.Root == nil:
		return errors.New("root: missing")
	case spec.Root.Path == "":
		return errors.New("root.path: missing: want the directory of the root file system")
	case spec.Linux == nil:
		return errors.New("linux: missing")
	}
	return checkVersion(spec.Version)
}

func checkProcess(spec *specs.Spec) error {
	process := spec.Process
	if !path.IsAbs(process.Cwd) {
		return fmt.Errorf("process.cwd: %q: want an absolute path", process.Cwd)
	}
	for _, list := range []struct {
		path  string
		texts []string
	}{{"process.args", process.Args}, {"process.env", process.Env}, {"process.cwd", []string{process.Cwd}}} {
		for i, text := range list.texts {
			if strings.ContainsRune(text, 0) {
				return fmt.Errorf("%s[%d]: %q: want no NUL", list.path, i, text)
			}
		}
	}
	if size := process.ConsoleSize; process.Terminal && size != nil && (size.Height > math.MaxUint16 || size.Width > math.MaxUint16) {
		return fmt.Errorf("process.consoleSize: %dx%d: want %d at most", size.Width, size.Height, math.MaxUint16)
	}
	if adj := process.OOMScoreAdj; adj != nil && (*adj < -1000 || *adj > 1000) {
		return fmt.Errorf("process.oomScoreAdj: %d: want -1000 to 1000", *adj)
	}
	return nil
}

// checkUser refuses the ID that says "leave it as it is" to the kernel, which would be root. setresuid(2)
func checkUser(spec *specs.Spec) error {
	user := spec.Process.User
	for i, gid := range user.AdditionalGids {
		if gid == math.MaxUint32 {
			return fmt.Errorf("process.user.additionalGids[%d]: %d is no ID", i, gid)
		}
	}
	switch {
	case user.UID == math.MaxUint32:
		return fmt.Errorf("process.user.uid: %d is no ID", user.UID)
	case user.GID == math.MaxUint32:
		return fmt.Errorf("process.user.gid: %d is no ID", user.GID)
	case user.Umask != nil && *user.Umask > 0o777:
		return fmt.Errorf("process.user.umask: %#o: want 0777 at most", *user.Umask)
	}
	return nil
}

func checkRlimits(spec *specs.Spec) error {
	seen := make([]string, 0, len(spec.Process.Rlimits))
	for i, limit := range spec.Process.Rlimits {
		known := false
		for _, r := range rlimits {
			known = known || r.kind == limit.Type
		}
		switch {
		case !known:
			return fmt.Errorf("process.rlimits[%d].type: no limit %q: want RLIMIT_NOFILE or the like", i, limit.Type)
		case slices.Contains(seen, limit.Type):
			return fmt.Errorf("process.rlimits[%d].type: %s is there twice", i, limit.Type)
		case limit.Soft > limit.Hard:
			return fmt.Errorf("process.rlimits[%d].soft: %d is above the hard limit, %d", i, limit.Soft, limit.Hard)
		}
		seen = append(seen, limit.Type)
	}
	return nil
}

// owned reports whether there is a namespace of a type in a list. Those that are not are the host's.
func owned(namespaces []specs.LinuxNamespace) func(specs.LinuxNamespaceType) bool {
	return func(kind specs.LinuxNamespaceType) bool {
		return slices.ContainsFunc(namespaces, func(n specs.LinuxNamespace) bool { return n.Type == kind })
	}
}

func checkNamespaces(spec *specs.Spec) error {
	namespaces := spec.Linux.Namespaces
	for i, namespace := range namespaces {
		switch namespace.Type {
		case specs.MountNamespace, specs.PIDNamespace, specs.UTSNamespace, specs.IPCNamespace, specs.CgroupNamespace, specs.NetworkNamespace:
		case specs.UserNamespace, specs.TimeNamespace:
			return fmt.Errorf("linux.namespaces[%d].type: %q is not supported", i, namespace.Type)
		default:
			return fmt.Errorf("linux.namespaces[%d].type: no namespace %q: want mount, pid, uts, ipc, cgroup or network", i, namespace.Type)
		}
		if owned(namespaces[:i])(namespace.Type) {
			return fmt.Errorf("linux.namespaces[%d].type: %q is there twice", i, namespace.Type)
		}
		if namespace.Path != "" && !path.IsAbs(namespace.Path) {
			return fmt.Errorf("linux.namespaces[%d].path: %q: want an absolute path", i, namespace.Path)
		}
	}
	if owned(namespaces)(specs.UTSNamespace) {
		if len(spec.Hostname) > 64 || len(spec.Domainname) > 64 {
			return errors.New("hostname, domainname: want 64 bytes at most")
		}
		return nil
	}
	if spec.Hostname != "" {
		return errors.New("hostname: it is the host's: want a uts namespace in linux.namespaces")
	}
	if spec.Domainname != "" {
		return errors.New("domainname: it is the host's: want a uts namespace in linux.namespaces")
	}
	return nil
}

func checkMounts(spec *specs.Spec) error {
	for i, mount := range spec.Mounts {
		bind := mount.Type == "bind" || slices.Contains(mount.Options, "bind") || slices.Contains(mount.Options, "rbind")
		switch {
		// A relative one is below /: the specification allows it, though no longer for new configurations.
		case mount.Destination == "":
			return fmt.Errorf("mounts[%d].destination: missing", i)
		case bind && mount.Source == "":
			return fmt.Errorf("mounts[%d].source: missing: want the path of a file or directory", i)
		case strings.ContainsRune(mount.Destination+mount.Source+mount.Type+strings.Join(mount.Options, ""), 0):
			return fmt.Errorf("mounts[%d]: want no NUL", i)
		}
	}
	return nil
}

func checkPaths(spec *specs.Spec) error {
	for _, list := range []struct {
		path  string
		names []string
	}{{"linux.maskedPaths", spec.Linux.MaskedPaths}, {"linux.readonlyPaths", spec.Linux.ReadonlyPaths}} {
		for i, name := range list.names {
			if !path.IsAbs(name) || strings.ContainsRune(name, 0) {
				return fmt.Errorf("%s[%d]: %q: want an absolute path", list.path, i, name)
			}
		}
	}
	known := []string{"", "private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable"}
	if !slices.Contains(known, spec.Linux.RootfsPropagation) {
		return fmt.Errorf("linux.rootfsPropagation: %q: want private, slave, shared or unbindable, or one of these with r in front", spec.Linux.RootfsPropagation)
	}
	return nil
}

func checkDevices(spec *specs.Spec) error {
	for i, device := range spec.Linux.Devices {
		switch {
		case !path.IsAbs(device.Path) || strings.ContainsRune(device.Path, 0):
			return fmt.Errorf("linux.devices[%d].path: %q: want an absolute path", i, device.Path)
		case !slices.Contains([]string{"c", "u", "b", "p"}, device.Type):
			return fmt.Errorf("linux.devices[%d].type: %q: want c, u, b or p", i, device.Type)
		// A FIFO has no numbers.
		case device.Type != "p" && (!isDeviceNumber(device.Major) || !isDeviceNumber(device.Minor)):
			return fmt.Errorf("linux.devices[%d]: %d:%d is no device number", i, device.Major, device.Minor)
		}
	}
	if spec.Linux.Resources == nil {
		return nil
	}
	for i, rule := range spec.Linux.Resources.Devices {
		switch {
		case !slices.Contains([]string{"", "a", "c", "b"}, rule.Type):
			return fmt.Errorf("linux.resources.devices[%d].type: %q: want a, c or b", i, rule.Type)
		case rule.Access != "" && !isAccess(rule.Access):
			return fmt.Errorf("linux.resources.devices[%d].access: %q: want r, w and m", i, rule.Access)
		}
	}
	return nil
}

// isDeviceNumber reports whether n fits the kernel's device numbers, of 32 bits in all. makedev(3)
func isDeviceNumber(n int64) bool { return n >= 0 && n <= math.MaxUint32 }

func checkSysctls(spec *specs.Spec) error {
	for _, key := range slices.Sorted(maps.Keys(spec.Linux.Sysctl)) {
		if err := checkSysctl(key, owned(spec.Linux.Namespaces)); err != nil {
			return fmt.Errorf("linux.sysctl[%q]: %w", key, err)
		}
		if strings.ContainsRune(spec.Linux.Sysctl[key], 0) {
			return fmt.Errorf("linux.sysctl[%q]: want no NUL", key)
		}
	}
	return nil
}
