//go:build linux

// Package flags runs in the caller's final, and in the monitor of a detached container, before a container is made. It turns the flags of
// run, exec and update into a configuration, in the words of the OCI runtime specification. Flags executes nothing and changes nothing:
// what it knows of the host and of the container's files comes in as a [Host].
package flags

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/pflag"

	"container-workshop/final/capability"
	"container-workshop/final/engine/network"
	"container-workshop/final/spec"
)

// Options is what the flags of run say. Most flags are a field of the configuration, and write to this field. [MakeSpec] makes the rest of
// the configuration out of the other options.
type Options struct {
	// Spec has the fields that flags write to. Its mounts are the mounts of --volume and --tmpfs, and Root.Path and the sources of
	// volumes may be relative to [Host.Dir].
	specs.Spec
	// Name is the ID of the container. [ParseRun] makes one if there is no --name.
	Name string
	// Image is the name or ID of an image, which takes the place of the root file system. Volumes are directories of the image that
	// become volumes of the container.
	Image   string
	Volumes []string
	// Detach leaves the container running when run ends. Remove deletes it when the command ends.
	Detach, Remove bool
	// Interactive keeps the standard input of a detached container open.
	Interactive bool
	// Init starts the command under a process 1 that waits for orphans.
	Init bool
	// Env holds KEY=VALUE, or KEY for a variable of the caller's. EnvFiles are files with a variable in each line: see [Options.ReadEnvFiles].
	Env, EnvFiles []string
	// User is USER[:GROUP], in names or numbers. "" is root.
	User string
	// TTY asks for a terminal of the command's own, or for none. nil asks for one if the caller is at a terminal and stays there.
	TTY *bool
	// Devices are device nodes of the host.
	Devices []Device
	// Network is none or host.
	Network string
	// Userns is host, or auto for a range of user and group IDs of the container's own.
	Userns string
	// Publish are the ports that the host publishes, and Aliases are more names for other containers of the network.
	Publish []network.Port
	Aliases []string
	// DNS and Search are the DNS servers and domains of /etc/resolv.conf. Without any, the network decides. KnownHosts are lines of
	// /etc/hosts.
	DNS        []netip.Addr
	Search     []string
	KnownHosts []KnownHost
	// CapAdd and CapDrop are capabilities, or allCapabilities.
	CapAdd, CapDrop capability.Set
	// Seccomp is the file of a profile, "unconfined", or "" for the default: see [Options.Unconfined].
	Seccomp string
	// NoNewPrivileges is true if nil, unless the container is privileged.
	NoNewPrivileges *bool
	// Limits are the flags for limits of a cgroup that the caller has given.
	Limits []string
	// Privileged gives the container nearly all rights of the host's root.
	Privileged bool
	// Explain prints the kernel calls that matter.
	Explain bool
	// LogSize is how many bytes a file of the log may have, and -1 is no limit. LogFiles is how many files the log may have.
	LogSize  int64
	LogFiles int
}

// Defaults returns the options of a run without flags.
func Defaults() Options {
	return Options{
		Spec: specs.Spec{
			Version:  specs.Version,
			Hostname: "container",
			Root:     &specs.Root{Path: "/var/lib/container-workshop/rootfs"},
			Process:  &specs.Process{},
			Linux: &specs.Linux{Resources: &specs.LinuxResources{
				Memory: &specs.LinuxMemory{Limit: new(int64(64 << 20))},
				CPU:    &specs.LinuxCPU{Quota: new(int64(cpuPeriod)), Period: new(uint64(cpuPeriod))},
				Pids:   &specs.LinuxPids{Limit: new(int64(64))},
			}},
		},
		Network:  "none",
		Userns:   "host",
		LogSize:  10 << 20,
		LogFiles: 3,
	}
}

// Joins is the container whose network the container joins: ID for --network container:ID.
func (o *Options) Joins() string {
	id, joins := strings.CutPrefix(o.Network, "container:")
	if !joins {
		return ""
	}
	return id
}

// Unconfined reports whether the container runs without a seccomp filter. A privileged container has a filter only if you name a profile.
func (o *Options) Unconfined() bool {
	return o.Seccomp == "unconfined" || o.Privileged && o.Seccomp == ""
}

// AddFlags sets the options to their defaults, and adds a flag for each option to the set. The first argument that is no flag ends the
// flags: it is the command. An error of the set is one line that names the flag.
func AddFlags(set *pflag.FlagSet, o *Options) {
	*o = Defaults()
	set.SetInterspersed(false)
	addFlags(set, flags(o))
}

// ParseRun reads the flags of run and the command behind them.
func ParseRun(args []string) (*Options, []string, error) {
	options := new(Options)
	set := pflag.NewFlagSet("run", pflag.ContinueOnError)
	set.Usage = func() { Usage(os.Stdout) }
	AddFlags(set, options)
	err := set.Parse(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return nil, nil, err
	case err != nil:
		return nil, nil, fmt.Errorf("%w%s (see final run --help)", err, instead(err))
	case options.Image != "" && set.Changed("rootfs"):
		return nil, nil, errors.New("--image, --rootfs: a container has one root file system: leave one of them out")
	case set.NArg() == 0 && options.Image == "":
		return nil, nil, fmt.Errorf("no command: use %s run [flags] COMMAND [ARG ...] (see final run --help)", os.Args[0])
	}
	if name := os.Getenv("WORKSHOP_NETWORK"); name != "" && !set.Changed("network") {
		if options.Network, err = checkedNetwork(name); err != nil {
			return nil, nil, fmt.Errorf("WORKSHOP_NETWORK=%s: %w", name, err)
		}
	}
	if err := options.checkNetwork(set.Changed("network")); err != nil {
		return nil, nil, err
	}
	if options.Name == "" {
		if options.Name, err = spec.MakeID(); err != nil {
			return nil, nil, err
		}
	}
	set.Visit(func(said *pflag.Flag) {
		if f := said.Value.(*flag); f.group == "Limits" && f.name != "ulimit" && f.name != "oom-score-adj" {
			options.Limits = append(options.Limits, said.Name)
		}
	})
	return options, set.Args(), nil
}
