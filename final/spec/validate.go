//go:build linux

package spec

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Validate refuses a configuration that final cannot honour, as far as anybody can tell without looking at the host. The error is one
// line, and starts with the path of the field, as in `process.cwd: "tmp": must be an absolute path`.
//
// An accepted configuration has the sections process, root and linux. OCI runtime specification, config.md and config-linux.md
func Validate(spec *specs.Spec) error {
	v := new(verdict)
	v.sections(spec)
	if v.err != nil {
		return v.err
	}
	v.supported(spec)
	v.process(spec.Process)
	v.hooks(spec.Hooks)
	v.namespaces(spec)
	v.names(spec)
	v.mappings(spec)
	v.timeOffsets(spec.Linux)
	v.mounts(spec)
	v.paths(spec.Linux)
	v.kernel(spec.Linux)
	v.devices(spec.Linux)
	v.sysctls(spec.Linux)
	v.memoryPolicy(spec.Linux.MemoryPolicy)
	v.netDevices(spec.Linux)
	return v.err
}

// A verdict on a configuration keeps the first reason to refuse it.
type verdict struct{ err error }

// refuse notes a reason to refuse the configuration if something is bad.
func (v *verdict) refuse(bad bool, format string, args ...any) {
	if bad && v.err == nil {
		v.err = fmt.Errorf(format, args...)
	}
}

// check notes an error about a field.
func (v *verdict) check(field string, err error) { v.refuse(err != nil, "%s: %w", field, err) }

// absolute refuses what the kernel would not take for an absolute path as it is.
func (v *verdict) absolute(field, name string) {
	v.refuse(!path.IsAbs(name) || hasNUL(name), "%s: %q: must be an absolute path", field, name)
}

// texts refuses what execve(2) would cut short.
func (v *verdict) texts(field string, texts ...string) {
	for i, text := range texts {
		v.refuse(hasNUL(text), "%s[%d]: %q: must not contain NUL", field, i, text)
	}
}

func hasNUL(text string) bool { return strings.ContainsRune(text, 0) }

func (v *verdict) sections(spec *specs.Spec) {
	root := cmp.Or(spec.Root, new(specs.Root))
	v.refuse(spec.Process == nil, "process: missing: name a command in process.args")
	v.refuse(spec.Root == nil, "root: missing: name the root file system in root.path")
	v.refuse(root.Path == "", "root.path: missing: name the directory of the root file system")
	v.refuse(hasNUL(root.Path), "root.path: %q: must not contain NUL", root.Path)
	v.refuse(spec.Linux == nil, "linux: missing: final makes Linux containers only")
}

func (v *verdict) paths(linux *specs.Linux) {
	for i, name := range linux.MaskedPaths {
		v.absolute(fmt.Sprintf("linux.maskedPaths[%d]", i), name)
	}
	for i, name := range linux.ReadonlyPaths {
		v.absolute(fmt.Sprintf("linux.readonlyPaths[%d]", i), name)
	}
	known := []string{"", "private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable"}
	v.refuse(!slices.Contains(known, linux.RootfsPropagation), "linux.rootfsPropagation: %q: must be private, slave, shared or unbindable, "+
		"or one of these with r in front", linux.RootfsPropagation)
}

// kernel checks what final asks of the kernel for the container as a whole. personality(2), seccomp_unotify(2)
func (v *verdict) kernel(linux *specs.Linux) {
	if p := linux.Personality; p != nil {
		_, err := Personality(p)
		v.refuse(err != nil, "linux.personality.%w", err)
	}
	if s := linux.Seccomp; s != nil {
		v.refuse(s.ListenerPath == "" && s.ListenerMetadata != "", "linux.seccomp.listenerMetadata: has no listener: set listenerPath too")
		if s.ListenerPath != "" {
			v.absolute("linux.seccomp.listenerPath", s.ListenerPath)
		}
	}
	// The label becomes an option of mounts, in quotes. selinux(8)
	label := linux.MountLabel
	v.refuse(CheckPrintable(label) != nil || strings.Contains(label, `"`), "linux.mountLabel: %q: must not contain quotes or control characters", label)
}

func (v *verdict) devices(linux *specs.Linux) {
	// The kernel's device numbers have 32 bits. makedev(3)
	outside := func(n int64) bool { return n < 0 || n > math.MaxUint32 }
	for i, d := range linux.Devices {
		field := fmt.Sprintf("linux.devices[%d]", i)
		v.absolute(field+".path", d.Path)
		v.refuse(!slices.Contains([]string{"c", "u", "b", "p"}, d.Type), "%s.type: %q: must be c, u, b or p", field, d.Type)
		// A FIFO has no numbers.
		v.refuse(d.Type != "p" && (outside(d.Major) || outside(d.Minor)), "%s: %d:%d is not a device number", field, d.Major, d.Minor)
	}
	v.rules("linux.resources.", linux.Resources)
}

// rules checks which devices a container may open.
func (v *verdict) rules(section string, resources *specs.LinuxResources) {
	if resources == nil {
		return
	}
	for i, rule := range resources.Devices {
		v.refuse(!slices.Contains([]string{"", "a", "c", "b"}, rule.Type), "%sdevices[%d].type: %q: must be a, c or b", section, i, rule.Type)
		v.refuse(rule.Access != "" && !IsAccess(rule.Access), "%sdevices[%d].access: %q: must be made of r, w and m", section, i, rule.Access)
	}
}

func (v *verdict) sysctls(linux *specs.Linux) {
	for _, key := range slices.Sorted(maps.Keys(linux.Sysctl)) {
		v.check(fmt.Sprintf("linux.sysctl[%q]", key), CheckSysctl(key, linux.Namespaces))
		v.refuse(hasNUL(linux.Sysctl[key]), "linux.sysctl[%q]: must not contain NUL", key)
	}
}
