//go:build linux

package flags

import (
	"cmp"

	"github.com/spf13/pflag"

	"container-workshop/final/capability"
)

// A flag is one row of a table of flags. The parser and the usage both come from the table.
type flag struct {
	group, name, short, alias string
	// arg stands for the value in the usage. A switch has no arg.
	arg string
	// value is the default, as you would type it.
	value string
	about string
	set   func(text string) error
}

// Set, String and Type make a flag a value of pflag. Type is what a usage shows.
func (f *flag) Set(text string) error { return f.set(text) }
func (f *flag) String() string        { return f.value }
func (f *flag) Type() string          { return cmp.Or(f.arg, "bool") }

// addFlags adds the rows of a table to a set.
func addFlags(set *pflag.FlagSet, table []*flag) {
	for _, f := range table {
		added := pflag.Flag{Name: f.name, Shorthand: f.short, Usage: f.about, Value: f, DefValue: f.value}
		if f.arg == "" {
			added.NoOptDefVal = "true"
		}
		set.AddFlag(&added)
		if f.alias != "" {
			alias := added
			alias.Name, alias.Shorthand = f.alias, ""
			set.AddFlag(&alias)
		}
	}
}

// flags is the table of run. The usage has the groups and the flags in this order.
func flags(o *Options) []*flag {
	memory, cpu := o.Linux.Resources.Memory, o.Linux.Resources.CPU
	return []*flag{
		{group: "Container", name: "name", arg: "ID", about: "container ID (default: a random one)", set: one(&o.Name, checkedID)},
		{group: "Container", name: "hostname", arg: "NAME", value: "container", about: "hostname of the container", set: one(&o.Hostname, checkedHostname)},
		{group: "Container", name: "rootfs", arg: "DIR", value: "/var/lib/container-workshop/rootfs", about: "root file system of the container; changes are\ndiscarded with the container", set: one(&o.Root.Path, checkedRootfs)},
		{group: "Container", name: "image", arg: "REF", about: "an image instead of a root file system; without\nCOMMAND, the command of the image", set: one(&o.Image, checkedImage)},
		{group: "Container", name: "detach", short: "d", about: "print the ID and leave the container running", set: one(&o.Detach, parseBool)},
		{group: "Container", name: "rm", about: "delete a detached container when it ends", set: one(&o.Remove, parseBool)},
		{group: "Container", name: "init", about: "run COMMAND under a process 1 that reaps orphans", set: one(&o.Init, parseBool)},

		{group: "Process", name: "env", short: "e", arg: "KEY[=VALUE]", about: "set a variable; KEY alone passes yours on", set: each(&o.Env, checkedVariable)},
		{group: "Process", name: "env-file", arg: "FILE", about: "read variables from FILE, one per line", set: each(&o.EnvFiles, checkedFile)},
		{group: "Process", name: "workdir", short: "w", arg: "DIR", about: "working directory (default: that of the image,\nor /)", set: one(&o.Process.Cwd, checkedWorkdir)},
		{group: "Process", name: "user", short: "u", arg: "USER[:GROUP]", about: "names that the container has, or numbers; if\nUSER is a number without entry in /etc/passwd,\nGROUP defaults to the same number", set: one(&o.User, checkedUser)},
		{group: "Process", name: "tty", short: "t", about: "give COMMAND a terminal of its own\n(default: if you are at a terminal)", set: one(&o.TTY, pointer(parseBool))},
		{group: "Process", name: "interactive", short: "i", about: "with --detach: keep standard input open", set: one(&o.Interactive, parseBool)},

		{group: "Files", name: "volume", short: "v", arg: "SRC:DST[:ro]", about: "mount a file or directory of the host", set: each(&o.Mounts, parseVolume)},
		{group: "Files", name: "tmpfs", arg: "DIR[:OPTIONS]", value: "/mytemp", about: "mount a directory that is in memory; options:\nsize=16m, mode=1777, uid=, gid=, nr_inodes=,\nro, noexec, …", set: each(&o.Mounts, parseTmpfs)},
		{group: "Files", name: "read-only", about: "mount the root file system read-only", set: one(&o.Root.Readonly, parseBool)},
		{group: "Files", name: "device", arg: "SRC[:DST[:rwm]]", about: "let COMMAND use a device of the host", set: each(&o.Devices, parseDevice)},

		{group: "Limits", name: "memory", short: "m", arg: "SIZE", value: "64m", about: "memory: bytes, or with k, m or g", set: one(&memory.Limit, pointer(parseMemory))},
		{group: "Limits", name: "memory-swap", arg: "SIZE", about: "memory and swap together (default: no swap);\n-1 means no limit", set: one(&memory.Swap, pointer(parseLimit))},
		{group: "Limits", name: "memory-reservation", arg: "SIZE", about: "memory that the container keeps when the host\nruns short of memory", set: one(&memory.Reservation, pointer(parseSize))},
		{group: "Limits", name: "pids", alias: "pids-limit", arg: "N", value: "64", about: "number of processes and threads", set: one(&o.Linux.Resources.Pids.Limit, pointer(parsePids))},
		{group: "Limits", name: "cpus", arg: "N", value: "1", about: "CPU time in processors, such as 0.5", set: one(&cpu.Quota, pointer(parseCPUs))},
		{group: "Limits", name: "cpu-shares", arg: "N", about: "weight for CPU time against other containers;\n1024 is normal", set: one(&cpu.Shares, pointer(parseShares))},
		{group: "Limits", name: "cpuset-cpus", arg: "LIST", about: "processors that COMMAND may use, such as 0-3,5", set: one(&cpu.Cpus, checkedCpuset)},
		{group: "Limits", name: "cpuset-mems", arg: "LIST", about: "memory nodes that COMMAND may use, such as 0", set: one(&cpu.Mems, checkedCpuset)},
		{group: "Limits", name: "ulimit", arg: "NAME=SOFT[:HARD]", about: "limit for each process, such as nofile=1024", set: each(&o.Process.Rlimits, parseUlimit)},
		{group: "Limits", name: "oom-score-adj", arg: "N", about: "-1000 to 1000: the higher, the sooner the kernel\nkills COMMAND when memory runs out", set: one(&o.Process.OOMScoreAdj, pointer(number[int](-1000, 1000, "from -1000 to 1000")))},

		{group: "Names and ports", name: "publish", short: "p", arg: "[IP:]HOST:PORT", about: "reach PORT of the container at port HOST of\nthis host, as in 8080:80, 127.0.0.1:8080:80,\n8000-8009:80-89 or 53:53/udp; 0 is any free\nport (this implies the network bridge)", set: o.addPorts},
		{group: "Names and ports", name: "network-alias", arg: "NAME", about: "one more name for other containers", set: each(&o.Aliases, checkedAlias)},
		{group: "Names and ports", name: "dns", arg: "IP", about: "ask this DNS server", set: each(&o.DNS, parseAddress)},
		{group: "Names and ports", name: "dns-search", arg: "DOMAIN", about: "look short names up in DOMAIN; . means in none", set: each(&o.Search, checkedDomain)},
		{group: "Names and ports", name: "add-host", arg: "NAME:IP", about: "add a line to /etc/hosts; IP can be host-gateway", set: each(&o.KnownHosts, parseKnownHost)},

		{group: "Isolation", name: "network", arg: "NETWORK", value: "none", about: "none: loopback interface only; bridge: a network\nwith a way out (without root: by pasta, or else\nslirp4netns), or NAME: one of network create;\nhost: the host's network; container:ID: that of\nanother container", set: one(&o.Network, checkedNetwork)},
		{group: "Isolation", name: "userns", arg: "MODE", value: "host", about: "auto (as root): give the container user IDs of\nits own, so its root is nobody on the host;\nkeep-id (without root): you keep your user ID;\nhost: root of the container is you", set: one(&o.Userns, checkedUserns)},
		{group: "Isolation", name: "cap-add", arg: "NAME", about: "add a capability, or ALL", set: union(&o.CapAdd, parseCapability)},
		{group: "Isolation", name: "cap-drop", arg: "NAME", about: "drop a capability, or ALL", set: union(&o.CapDrop, parseCapability)},
		{group: "Isolation", name: "security-opt", arg: "NAME=VALUE", about: "seccomp=FILE, seccomp=unconfined, or\nno-new-privileges=false", set: o.setSecurity},
		{group: "Isolation", name: "sysctl", arg: "KEY=VALUE", about: "set a kernel parameter of the container's own\nnamespaces", set: o.setSysctl},
		{group: "Isolation", name: "privileged", about: "all capabilities and devices, no seccomp filter:\nthe host is not protected from COMMAND", set: one(&o.Privileged, parseBool)},

		{group: "Output", name: "log-opt", arg: "NAME=VALUE", about: "log of a detached container: max-size=10m (-1:\nno limit), max-file=3", set: o.setLog},
		{group: "Output", name: "explain", about: "print the kernel calls that matter, in order", set: one(&o.Explain, parseBool)},
	}
}

// one is for a flag whose last value counts.
func one[T any](to *T, parse func(string) (T, error)) func(string) error {
	return func(text string) error {
		value, err := parse(text)
		if err == nil {
			*to = value
		}
		return err
	}
}

// each is for a flag whose values all count.
func each[T any](to *[]T, parse func(string) (T, error)) func(string) error {
	return func(text string) error {
		value, err := parse(text)
		if err == nil {
			*to = append(*to, value)
		}
		return err
	}
}

// union is for a flag whose values are sets that all count.
func union(to *capability.Set, parse func(string) (capability.Set, error)) func(string) error {
	return func(text string) error {
		value, err := parse(text)
		*to |= value
		return err
	}
}

// pointer is for a field that is nil without the flag.
func pointer[T any](parse func(string) (T, error)) func(string) (*T, error) {
	return func(text string) (*T, error) {
		value, err := parse(text)
		return &value, err
	}
}
