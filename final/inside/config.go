//go:build linux

package inside

import (
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/capability"
	"container-workshop/final/namespace"
	"container-workshop/final/stage"
)

// A Config is what the host side tells process 1, or a process that joins a container.
type Config struct {
	// What is in the configuration of the container under the same name. The host side has dealt with the rest. A process that
	// joins a container has none of it.
	Root          string
	Readonly      bool
	Hostname      string
	Domainname    string
	Mounts        []specs.Mount
	Devices       []specs.LinuxDevice
	Sysctl        map[string]string
	MaskedPaths   []string
	ReadonlyPaths []string
	// CgroupNamespace and NetworkNamespace say that it has one of its own.
	CgroupNamespace, NetworkNamespace bool

	// What is in the configuration of the process. Args and Env are bytes, as JSON replaces what is not UTF-8.
	Args, Env       [][]byte
	Cwd             string
	Terminal        bool
	User            specs.User
	Rlimits         []specs.POSIXRlimit
	OOMScoreAdj     *int
	NoNewPrivileges bool

	// Overlay is the directory for what is written into the root file system, which is left alone then. Empty if there is none.
	Overlay string
	// Cgroups are the container's, by their names below /sys/fs/cgroup.
	Cgroups []Cgroup
	// Tasks are the files by which to join them. Empty if the host side does that.
	Tasks []string
	// Links are symbolic links below /sys/fs/cgroup: name and target.
	Links [][2]string
	// Capabilities are those of the command.
	Capabilities capability.Sets
	// Filter is the compiled seccomp profile. Empty if there is none.
	Filter      []unix.SockFilter
	FilterFlags uint
	// Init asks for a process 1 that starts the command as its child, and reaps.
	Init bool
	// Join is a descriptor of process 1 of the container to join, 0 for a new container.
	Join int
	// Tied says that the command ends with the host side.
	Tied bool
	// Size is that of the terminal.
	Size *unix.Winsize
	// Explain asks for records of the stages.
	Explain bool
}

// SetContainer takes what is needed of the configuration of a container.
func (c *Config) SetContainer(spec *specs.Spec) {
	c.Root, c.Readonly, c.Mounts = spec.Root.Path, spec.Root.Readonly, spec.Mounts
	c.Hostname, c.Domainname = spec.Hostname, spec.Domainname
	c.Devices, c.Sysctl, c.MaskedPaths, c.ReadonlyPaths = spec.Linux.Devices, spec.Linux.Sysctl, spec.Linux.MaskedPaths, spec.Linux.ReadonlyPaths
	c.CgroupNamespace = namespace.Has(spec.Linux.Namespaces, specs.CgroupNamespace)
	c.NetworkNamespace = namespace.Has(spec.Linux.Namespaces, specs.NetworkNamespace)
}

// SetProcess takes what is needed of the configuration of a process.
func (c *Config) SetProcess(process *specs.Process) {
	c.Args, c.Env = encode(process.Args), encode(process.Env)
	c.Cwd, c.Terminal, c.User = process.Cwd, process.Terminal, process.User
	c.Rlimits, c.OOMScoreAdj, c.NoNewPrivileges = process.Rlimits, process.OOMScoreAdj, process.NoNewPrivileges
}

func encode(list []string) [][]byte {
	all := make([][]byte, len(list))
	for i, s := range list {
		all[i] = []byte(s)
	}
	return all
}

func decode(list [][]byte) []string {
	all := make([]string, len(list))
	for i, b := range list {
		all[i] = string(b)
	}
	return all
}

// A Cgroup is one of the container's cgroups: on version 1 one for each controller.
type Cgroup struct {
	// Name is that of the directory below /sys/fs/cgroup, empty on version 2.
	Name string
	// Dir is the directory on the host.
	Dir string
}

// A Report is what the container side answers. It sends one when it has done all but what comes after the host's word to go
// on, and another one only if that fails.
type Report struct {
	// Error is empty if all went well.
	Error string
	// Status is the exit status for the error.
	Status  int
	Records []stage.Record
}

// The exit status for what is no fault of the command's. It is that of a shell for the last two.
const (
	StatusFailed        = 125
	StatusNotExecutable = 126
	StatusNotFound      = 127
)
