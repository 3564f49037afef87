//go:build linux

package inside

import (
	"os"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/capability"
	"container-workshop/final/more/hook"
	"container-workshop/final/spec"
	"container-workshop/final/stage"
)

// A Config is what the host side tells process 1, or a process that joins a container.
//
// Descriptors come with it, in this order: the mount for the root directory, or that directory itself where we join a container;
// one for each of Bound; one for each of Cgroups; one for each task file; and a listening socket and
// a file if Held says so. A process that joins a container gets neither mounts nor those two.
type Config struct {
	// What is in the configuration of the container under the same name. The host side has dealt with the rest. A process that
	// joins a container has none of it.
	Root              string
	Readonly          bool
	Hostname          string
	Domainname        string
	Mounts            []specs.Mount
	Devices           []specs.LinuxDevice
	Sysctl            map[string]string
	RootfsPropagation string
	MaskedPaths       []string
	ReadonlyPaths     []string
	MountLabel        string
	// CgroupNamespace and NetworkNamespace say that it has a new one of its own.
	CgroupNamespace, NetworkNamespace bool

	// What is in the configuration of the process. Args and Env are bytes, as JSON replaces what is not UTF-8.
	Args, Env                     [][]byte
	Cwd                           string
	Terminal                      bool
	User                          specs.User
	Rlimits                       []specs.POSIXRlimit
	NoNewPrivileges               bool
	Scheduler                     *specs.Scheduler
	IOPriority                    *specs.LinuxIOPriority
	CPUAffinity                   *specs.CPUAffinity
	ApparmorProfile, SelinuxLabel string
	Personality                   *specs.LinuxPersonality
	MemoryPolicy                  *specs.LinuxMemoryPolicy

	// HostHooks says that the host side has devices to move or hooks to run when all mounts are made. The hooks of this side get State.
	HostHooks                       bool
	CreateContainer, StartContainer hook.List
	State                           []byte
	// HookEnv is the environment of the host side, for createContainer hooks that do not name one. startContainer hooks get the
	// environment of the process instead.
	HookEnv [][]byte

	// HostMounts says that the container has no mount namespace: what is mounted for it must not be seen by others. JoinedMounts says
	// that it has one that was there.
	HostMounts, JoinedMounts bool
	// UserNamespace says that we are in another one than the host, whose devices we cannot make.
	UserNamespace bool
	// Bound are the mounts, by index, that the host side has cloned, as we have no right to.
	Bound []int
	// Inner are the bind mounts, by index, whose source is in the container's own tree: a path below its root directory.
	Inner []int
	// Cgroups are the container's, by their names below /sys/fs/cgroup. That of version 2 has none.
	Cgroups []string
	// Tasks is how many files there are by which to join cgroups. None if the host side does that.
	Tasks int
	// Links are symbolic links below /sys/fs/cgroup: name and target.
	Links [][2]string
	// Capabilities are those of the command.
	Capabilities capability.Sets
	// Filter is the compiled seccomp profile. Empty if there is none.
	Filter      []unix.SockFilter
	FilterFlags uint
	// Init asks for a process 1 that starts the command as its child, and reaps.
	Init bool
	// NoPivot asks for a change of root that works on an initramfs, and out of which root finds a way.
	NoPivot bool
	// OldKeyring says that the session keyring stays the caller's.
	OldKeyring bool
	// Joins says that we join a container that is there.
	Joins bool
	// Tied says that the command ends with the host side.
	Tied bool
	// Held says that the command waits for a later process of the host side, which connects to a socket.
	Held bool
	// Size is that of the terminal.
	Size *unix.Winsize
	// Plain says that lines printed there end with LF, not with CR LF: no terminal shows them.
	Plain bool
	// Explain asks for records of the stages.
	Explain bool
}

// SetContainer takes what is needed of the configuration of a container.
func (c *Config) SetContainer(config *specs.Spec) {
	c.Root, c.Readonly, c.Mounts = config.Root.Path, config.Root.Readonly, config.Mounts
	c.Hostname, c.Domainname = config.Hostname, config.Domainname
	c.Devices, c.Sysctl, c.MaskedPaths, c.ReadonlyPaths = config.Linux.Devices, config.Linux.Sysctl, config.Linux.MaskedPaths, config.Linux.ReadonlyPaths
	c.RootfsPropagation, c.MountLabel, c.Personality = config.Linux.RootfsPropagation, config.Linux.MountLabel, config.Linux.Personality
	c.MemoryPolicy = config.Linux.MemoryPolicy
	c.CgroupNamespace = spec.MakesNamespace(config.Linux.Namespaces, specs.CgroupNamespace)
	c.NetworkNamespace = spec.MakesNamespace(config.Linux.Namespaces, specs.NetworkNamespace)
	c.HostMounts = !spec.HasNamespace(config.Linux.Namespaces, specs.MountNamespace)
	c.JoinedMounts = !c.HostMounts && !spec.MakesNamespace(config.Linux.Namespaces, specs.MountNamespace)
	if hooks := config.Hooks; hooks != nil {
		c.CreateContainer, c.StartContainer = hooks.CreateContainer, hooks.StartContainer
	}
	if slices.ContainsFunc(c.CreateContainer, func(h specs.Hook) bool { return h.Env == nil }) {
		c.HookEnv = encode(os.Environ())
	}
}

// SetProcess takes what is needed of the configuration of a process.
func (c *Config) SetProcess(process *specs.Process) {
	c.Args, c.Env = encode(process.Args), encode(process.Env)
	c.Cwd, c.Terminal, c.User = process.Cwd, process.Terminal, process.User
	c.Rlimits, c.NoNewPrivileges = process.Rlimits, process.NoNewPrivileges
	c.Scheduler, c.IOPriority = process.Scheduler, process.IOPriority
	c.ApparmorProfile, c.SelinuxLabel = process.ApparmorProfile, process.SelinuxLabel
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

// A Report is what the container side answers. It sends one when it has done all but what comes after the host's word to go
// on, and another one only if that fails. Before, there may be one at a point where the host side has something to do.
type Report struct {
	// Error is empty if all went well.
	Error string
	// Status is the exit status for the error.
	Status  int
	Records []stage.Record
	// Warnings are what could not be done, and is no failure.
	Warnings []string
	// Mounted says that all mounts are made, and the root directory is still the host's: hooks are to be run.
	Mounted bool
	// Map asks the host side to map the IDs of a mount: it is the index of the mount plus one, or 0. A descriptor of the mount, which is
	// attached nowhere yet, comes with the report.
	Map int
	// Hooked says that the startContainer hooks have been run.
	Hooked bool
	// Listener is the number of the descriptor for an agent that is about to be there. 0 if there is none.
	Listener int
}

// The exit status for what is no fault of the command's. It is that of a shell for the last two.
const (
	StatusFailed        = 125
	StatusNotExecutable = 126
	StatusNotFound      = 127
)
