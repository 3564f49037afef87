//go:build linux

package flags

import (
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/spec"
)

// A Host is what flags can refer to: the caller, the host's files and the container's own. All functions are needed, but
// Passwd and Group may be nil.
type Host struct {
	// Dir is the caller's working directory, absolute.
	Dir string
	// Terminal says whether the caller is on a terminal.
	Terminal bool
	// LookupEnv is [os.LookupEnv].
	LookupEnv func(key string) (string, bool)
	// Rlimit returns a soft limit of the caller's, by its number. getrlimit(2)
	Rlimit func(number int) uint64
	// Open opens a file of the host.
	Open func(name string) (io.ReadCloser, error)
	// Stat follows symbolic links. stat(2)
	Stat func(name string) (unix.Stat_t, error)
	// Passwd and Group open these files of the container. [fs.ErrNotExist] is no failure.
	Passwd, Group func() (io.ReadCloser, error)
	// Devices are the nodes in the host's /dev. They are for privileged containers only.
	Devices []specs.LinuxDevice
	// Etc is the directory, on the host, with the container's hostname, hosts and resolv.conf. "" leaves the image's.
	Etc string
}

// MakeSpec returns the configuration of a container that runs args, as the options say. Its ID must be in o.Name.
//
// Linux.Seccomp is left to the caller, as a profile depends on the capabilities: see [Options.Unconfined].
// An error is one line that names the flag and says what is wanted.
func MakeSpec(o Options, args []string, host Host) (*specs.Spec, error) {
	if len(args) == 0 {
		return nil, errors.New("no command: use final run [flags] COMMAND [ARG ...]")
	}
	if err := spec.ValidateID(o.Name); err != nil {
		return nil, fmt.Errorf("--name: %w", err)
	}
	process, err := newProcess(&o, args, &host)
	if err != nil {
		return nil, err
	}
	mounts, err := newMounts(&o, &host)
	if err != nil {
		return nil, err
	}
	linux, err := newLinux(&o, &host)
	if err != nil {
		return nil, err
	}
	return &specs.Spec{
		Version:  specs.Version,
		Root:     &specs.Root{Path: absolute(o.Rootfs, &host), Readonly: o.ReadOnly},
		Hostname: o.Hostname,
		Process:  process,
		Mounts:   mounts,
		Linux:    linux,
	}, nil
}

// absolute returns the clean path of a file of the host.
func absolute(name string, host *Host) string {
	if path.IsAbs(name) {
		return path.Clean(name)
	}
	return path.Join(host.Dir, name)
}

func newProcess(o *Options, args []string, host *Host) (*specs.Process, error) {
	user, home, err := FindUser(o.User, host.Passwd, host.Group)
	if err != nil {
		return nil, fmt.Errorf("--user: %w", err)
	}
	terminal := host.Terminal && !o.Detach
	if o.TTY != nil {
		terminal = *o.TTY
	}
	env, err := newEnv(o, host, home, terminal)
	if err != nil {
		return nil, err
	}
	capabilities, err := newCapabilities(o, user.UID)
	if err != nil {
		return nil, err
	}
	noNewPrivileges := !o.Privileged
	if o.NoNewPrivileges != nil {
		noNewPrivileges = *o.NoNewPrivileges
	}
	process := &specs.Process{
		Terminal:        terminal,
		User:            user,
		Args:            args,
		Env:             env,
		Cwd:             path.Clean(o.Workdir),
		Capabilities:    capabilities,
		NoNewPrivileges: noNewPrivileges,
		OOMScoreAdj:     o.OOMScoreAdj,
		Rlimits:         newRlimits(o, host),
	}
	return process, nil
}

func newLinux(o *Options, host *Host) (*specs.Linux, error) {
	devices, rules, err := newDevices(o, host)
	if err != nil {
		return nil, err
	}
	namespaces := spec.DefaultNamespaces(o.Network != "host")
	sysctls, err := newSysctls(o, namespaces)
	if err != nil {
		return nil, err
	}
	resources, err := newResources(o)
	if err != nil {
		return nil, err
	}
	resources.Devices = rules
	linux := &specs.Linux{
		Namespaces:  namespaces,
		Sysctl:      sysctls,
		Devices:     devices,
		Resources:   resources,
		CgroupsPath: spec.CgroupsPath(o.Name),
	}
	if !o.Privileged {
		linux.MaskedPaths, linux.ReadonlyPaths = maskedPaths(host), spec.ReadonlyPaths()
	}
	return linux, nil
}

func newSysctls(o *Options, namespaces []specs.LinuxNamespace) (map[string]string, error) {
	if len(o.Sysctls) == 0 {
		return nil, nil
	}
	sysctls := map[string]string{}
	for _, sysctl := range o.Sysctls {
		key, value, _ := strings.Cut(sysctl, "=")
		if err := spec.CheckSysctl(key, namespaces); err != nil {
			return nil, fmt.Errorf("--sysctl %s: %w", key, err)
		}
		sysctls[key] = value
	}
	return sysctls, nil
}

// newResources returns the limits but for devices. cgroups(7)
func newResources(o *Options) (*specs.LinuxResources, error) {
	swap := o.MemorySwap
	if swap == 0 {
		swap = o.Memory
	}
	if swap >= 0 && swap < o.Memory {
		return nil, fmt.Errorf("--memory-swap %d: must be at least --memory, %d, because it counts memory and swap together", swap, o.Memory)
	}
	if o.MemoryReservation > o.Memory {
		return nil, fmt.Errorf("--memory-reservation %d: must be at most --memory, %d", o.MemoryReservation, o.Memory)
	}
	quota, period := int64(math.Round(o.CPUs*cpuPeriod)), uint64(cpuPeriod)
	resources := &specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: &o.Memory, Swap: &swap},
		CPU:    &specs.LinuxCPU{Quota: &quota, Period: &period, Cpus: o.CpusetCPUs, Mems: o.CpusetMems},
		Pids:   &specs.LinuxPids{Limit: &o.Pids},
	}
	if o.MemoryReservation > 0 {
		resources.Memory.Reservation = &o.MemoryReservation
	}
	if o.CPUShares > 0 {
		resources.CPU.Shares = &o.CPUShares
	}
	return resources, nil
}

// maskedPaths are those, and the counters of heat that the host's processors have.
func maskedPaths(host *Host) []string {
	paths := spec.MaskedPaths()
	// Virtual machines have none of these, so one look is enough there.
	for cpu := 0; ; cpu++ {
		dir := fmt.Sprintf("/sys/devices/system/cpu/cpu%d", cpu)
		if _, err := host.Stat(dir + "/thermal_throttle"); err == nil {
			paths = append(paths, dir+"/thermal_throttle")
		} else if _, err := host.Stat(dir); err != nil || cpu == 0 {
			return paths
		}
	}
}
