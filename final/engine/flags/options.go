//go:build linux

// Package flags runs on the host side, before a container is made: it turns the flags of run, exec and update into a configuration, in
// the words of the OCI runtime specification. It executes nothing and changes nothing: the host and the container's files come in as
// a [Host].
package flags

import (
	"errors"
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/pflag"

	"container-workshop/final/spec"
)

// Options is what the flags of run say.
type Options struct {
	// Name is the ID of the container. "" asks for a new one: see [spec.MakeID].
	Name string
	// Hostname has 1 to 64 bytes.
	Hostname string
	// Rootfs is the directory that becomes the root directory. It may be relative to [Host.Dir].
	Rootfs string
	// Detach leaves the container running when run ends.
	Detach bool
	// Remove deletes a detached container when it ends.
	Remove bool
	// Init puts a process in front of the command that waits for orphans.
	Init bool
	// Env holds KEY=VALUE, or KEY for a variable of the caller's. It comes after EnvFiles.
	Env []string
	// EnvFiles are names of files with a variable in each line.
	EnvFiles []string
	// Workdir is an absolute path in the container.
	Workdir string
	// User is a name or a number, with a group after a colon or without. "" is root.
	User string
	// TTY asks for a terminal of its own, or for none. nil is automatic: on a terminal, if not detached.
	TTY *bool
	// Interactive keeps standard input open.
	Interactive bool
	// Volumes are files and directories of the host.
	Volumes []Volume
	// Tmpfs are file systems in memory. nil is one on /mytemp, unless a volume is there.
	Tmpfs []Tmpfs
	// ReadOnly makes the root file system read-only, but not the mounts in it.
	ReadOnly bool
	// Devices are device nodes of the host.
	Devices []Device
	// Memory is a limit in bytes.
	Memory int64
	// MemorySwap is a limit on memory and swap together in bytes: -1 is no limit, 0 is as much as Memory.
	MemorySwap int64
	// MemoryReservation is what is left to the container in bytes when memory is short. 0 is nothing.
	MemoryReservation int64
	// Pids is a limit on processes and threads.
	Pids int64
	// CPUs is a limit in processors: 0.01 or more.
	CPUs float64
	// CPUShares is the weight against other containers, 2 to 262144. 0 leaves the kernel's 1024.
	CPUShares uint64
	// CpusetCPUs and CpusetMems are lists such as 0-3,5. cpuset(7)
	CpusetCPUs, CpusetMems string
	// Ulimits hold each type once at most. getrlimit(2)
	Ulimits []specs.POSIXRlimit
	// OOMScoreAdj is -1000 to 1000. nil leaves the caller's. proc_pid_oom_score_adj(5)
	OOMScoreAdj *int
	// Network is none or host.
	Network string
	// CapAdd and CapDrop are names of capabilities, or ALL.
	CapAdd, CapDrop []string
	// Seccomp is the name of a profile's file, "unconfined", or "" for the default: see [Options.Unconfined].
	Seccomp string
	// NoNewPrivileges is true if nil, but for a privileged container.
	NoNewPrivileges *bool
	// Privileged gives the container nearly all that the host's root may do.
	Privileged bool
	// Sysctls are KEY=VALUE with dots in the key.
	Sysctls []string
	// Explain tells what is done, step by step.
	Explain bool
	// LogSize is how many bytes a file of the log of a detached container may have, -1 for any number. LogFiles is how many files
	// there are at most.
	LogSize  int64
	LogFiles int
}

// Defaults are the options of a run without flags.
func Defaults() Options {
	return Options{
		Hostname: "container",
		Rootfs:   "/var/lib/container-workshop/rootfs",
		Workdir:  "/",
		Memory:   64 << 20,
		Pids:     64,
		CPUs:     1,
		Network:  "none",
		LogSize:  10 << 20,
		LogFiles: 3,
	}
}

// Unconfined reports whether there is to be no seccomp filter. A privileged container has one only if a profile is named.
func (o *Options) Unconfined() bool {
	return o.Seccomp == "unconfined" || o.Privileged && o.Seccomp == ""
}

// AddFlags sets the options to their defaults, and adds a flag for each to the set. The flags of the set end at the first
// argument that is none, as what follows belongs to the command. Parsing returns errors of one line that name the flag.
func AddFlags(set *pflag.FlagSet, o *Options) {
	*o = Defaults()
	set.SetInterspersed(false)
	addFlags(set, flags(o))
}

// ParseRun reads the flags of run, and the command behind them.
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
		return nil, nil, fmt.Errorf("%w (see run --help)", err)
	case set.NArg() == 0:
		return nil, nil, fmt.Errorf("no command: use %s run [flags] COMMAND [ARG ...] (see run --help)", os.Args[0])
	}
	if options.Name == "" {
		id, err := spec.MakeID()
		if err != nil {
			return nil, nil, err
		}
		options.Name = id
	}
	return options, set.Args(), nil
}

// addFlags adds the rows of a table of flags.
func addFlags(set *pflag.FlagSet, table []*flag) {
	for _, f := range table {
		for _, name := range []string{f.name, f.alias} {
			if name == "" {
				continue
			}
			added := &pflag.Flag{Name: name, Usage: f.about, Value: f, DefValue: f.value}
			if name == f.name {
				added.Shorthand = f.short
			}
			if f.arg == "" {
				added.NoOptDefVal = "true"
			}
			set.AddFlag(added)
		}
	}
}
