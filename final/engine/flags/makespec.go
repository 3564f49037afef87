//go:build linux

package flags

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/spec"
)

// A Host is what flags can refer to: the caller, the host's files and the container's files. All functions but Read are needed.
type Host struct {
	// Dir is the caller's working directory, absolute.
	Dir string
	// Terminal says whether the caller is at a terminal.
	Terminal bool
	// LookupEnv is [os.LookupEnv].
	LookupEnv func(key string) (string, bool)
	// Rlimit returns a soft limit of the caller's, by its number. getrlimit(2)
	Rlimit func(number int) uint64
	// Stat follows symbolic links. stat(2)
	Stat func(name string) (unix.Stat_t, error)
	// Read reads /etc/passwd or /etc/group of the container: see [FindUser].
	Read func(name string) ([]byte, error)
	// Devices are the nodes in the host's /dev. Only privileged containers get them.
	Devices []specs.LinuxDevice
	// Volumes is the directory, on the host, with the volumes of the image: 0, 1, 2, …
	Volumes string
	// Etc is the directory, on the host, with the container's hostname, hosts and resolv.conf. Without Etc the image's files stay.
	Etc string
}

// MakeSpec completes the configuration of a container that runs args, as the options say. The container's ID must be in o.Name.
//
// The caller adds Linux.Seccomp, because a profile depends on the capabilities: see [Options.Unconfined]. An error is one line that names
// the flag and says what final expects.
func MakeSpec(o Options, args []string, host Host) (*specs.Spec, error) {
	if len(args) == 0 {
		return nil, errors.New("no command: use final run [flags] COMMAND [ARG ...]")
	}
	if err := spec.ValidateID(o.Name); err != nil {
		return nil, fmt.Errorf("--name: %w", err)
	}
	o.Process.Args = args
	if err := completeProcess(&o, &host); err != nil {
		return nil, err
	}
	mounts, err := makeMounts(&o, &host)
	if err != nil {
		return nil, err
	}
	o.Mounts, o.Root.Path = mounts, absolute(o.Root.Path, &host)
	return &o.Spec, completeLinux(&o, &host)
}

// absolute returns the clean path of a file of the host.
func absolute(name string, host *Host) string {
	if path.IsAbs(name) {
		return path.Clean(name)
	}
	return path.Join(host.Dir, name)
}

func completeProcess(o *Options, host *Host) error {
	user, home, err := FindUser(o.User, host.Read)
	if err != nil {
		return fmt.Errorf("--user: %w", err)
	}
	p := o.Process
	p.Cwd = cmp.Or(p.Cwd, "/")
	p.Terminal = host.Terminal && !o.Detach
	if o.TTY != nil {
		p.Terminal = *o.TTY
	}
	p.NoNewPrivileges = !o.Privileged
	if o.NoNewPrivileges != nil {
		p.NoNewPrivileges = *o.NoNewPrivileges
	}
	p.User, p.Env, p.Capabilities, p.Rlimits = user, makeEnv(o, host, home, p.Terminal), makeCapabilities(o, user.UID), makeRlimits(o, host)
	return nil
}

func completeLinux(o *Options, host *Host) error {
	devices, rules, err := makeDevices(o, host)
	if err != nil {
		return err
	}
	linux := o.Linux
	linux.Devices, linux.Namespaces, linux.CgroupsPath = devices, spec.DefaultNamespaces(o.Network != "host"), spec.CgroupsPath(o.Name)
	for _, key := range slices.Sorted(maps.Keys(linux.Sysctl)) {
		if err := spec.CheckSysctl(key, linux.Namespaces); err != nil {
			return fmt.Errorf("--sysctl %s: %w", key, err)
		}
	}
	if !o.Privileged {
		linux.MaskedPaths, linux.ReadonlyPaths = maskedPaths(host), spec.ReadonlyPaths()
	}
	return completeResources(o, rules)
}

// maskedPaths returns the default masked paths, and the counters of heat of the host's processors.
func maskedPaths(host *Host) []string {
	paths := spec.MaskedPaths()
	// Virtual machines have no such counters, so looking at processor 0 is enough there.
	for cpu := 0; ; cpu++ {
		dir := fmt.Sprintf("/sys/devices/system/cpu/cpu%d", cpu)
		if _, err := host.Stat(dir + "/thermal_throttle"); err == nil {
			paths = append(paths, dir+"/thermal_throttle")
		} else if _, err := host.Stat(dir); err != nil || cpu == 0 {
			return paths
		}
	}
}
