//go:build linux

package oci

import (
	"errors"
	"strconv"
)

// A flag is one row of the table of flags: the parser and the usage are both made from it.
type flag struct {
	group, name, short, alias string
	// arg stands for the value in the usage. A switch has none.
	arg string
	// value is the default, as it would be typed.
	value string
	about string
	set   func(text string) error
}

// Set is what pflag calls for each value.
func (f *flag) Set(text string) error { return f.set(text) }

// String is what pflag takes for the value that the flag has.
func (f *flag) String() string { return f.value }

// Type is what pflag takes for the kind of the value, and shows in a usage.
func (f *flag) Type() string {
	if f.arg == "" {
		return "bool"
	}
	return f.arg
}

// flags is the table. The usage has the groups and the flags in this order.
func flags(o *Options) []*flag {
	return []*flag{
		{group: "Container", name: "name", arg: "ID", about: "ID of the container (default: a new one)", set: one(&o.Name, checkedID)},
		{group: "Container", name: "hostname", arg: "NAME", value: "container", about: "hostname", set: one(&o.Hostname, checkedHostname)},
		{group: "Container", name: "rootfs", arg: "DIR", value: "/var/lib/container-workshop/rootfs", about: "root directory; what is written in it is gone\nafterwards", set: one(&o.Rootfs, checkedRootfs)},
		{group: "Container", name: "detach", short: "d", about: "print the ID, and leave the container running", set: one(&o.Detach, parseBool)},
		{group: "Container", name: "rm", about: "delete a detached container when it ends", set: one(&o.Remove, parseBool)},
		{group: "Container", name: "init", about: "process 1 waits for orphans, and is not COMMAND", set: one(&o.Init, parseBool)},

		{group: "Process", name: "env", short: "e", arg: "KEY[=VALUE]", about: "variable; without a value it is the caller's", set: each(&o.Env, checkedVariable)},
		{group: "Process", name: "env-file", arg: "FILE", about: "file with a variable in each line", set: each(&o.EnvFiles, checkedFile)},
		{group: "Process", name: "workdir", short: "w", arg: "DIR", value: "/", about: "working directory", set: one(&o.Workdir, checkedWorkdir)},
		{group: "Process", name: "user", short: "u", arg: "USER[:GROUP]", about: "names of the container, or numbers; a number\nwithout entry and group is its own group", set: one(&o.User, checkedUser)},
		{group: "Process", name: "tty", short: "t", about: "a terminal of its own (default: on a terminal)", set: one(&o.TTY, pointer(parseBool))},
		{group: "Process", name: "interactive", short: "i", about: "standard input stays open when detached too", set: one(&o.Interactive, parseBool)},

		{group: "Files", name: "volume", short: "v", arg: "SRC:DST[:ro]", about: "file or directory of the host", set: each(&o.Volumes, parseVolume)},
		{group: "Files", name: "tmpfs", arg: "DIR[:OPTIONS]", value: "/mytemp", about: "files in memory; options: size=16m, mode=1777,\nuid=, gid=, nr_inodes=, ro, noexec, …", set: each(&o.Tmpfs, parseTmpfs)},
		{group: "Files", name: "read-only", about: "root file system cannot be written", set: one(&o.ReadOnly, parseBool)},
		{group: "Files", name: "device", arg: "SRC[:DST[:rwm]]", about: "device of the host", set: each(&o.Devices, parseDevice)},

		{group: "Limits", name: "memory", short: "m", arg: "SIZE", value: "64m", about: "memory: bytes, or with k, m or g", set: one(&o.Memory, parseMemory)},
		{group: "Limits", name: "memory-swap", arg: "SIZE", about: "memory and swap together (default: no swap);\n-1 is no limit", set: one(&o.MemorySwap, parseLimit)},
		{group: "Limits", name: "memory-reservation", arg: "SIZE", about: "memory that stays when it is short", set: one(&o.MemoryReservation, parseSize)},
		{group: "Limits", name: "pids", alias: "pids-limit", arg: "N", value: "64", about: "processes and threads", set: one(&o.Pids, parsePids)},
		{group: "Limits", name: "cpus", arg: "N", value: "1", about: "CPU time in processors, such as 0.5", set: one(&o.CPUs, parseCPUs)},
		{group: "Limits", name: "cpu-shares", arg: "N", about: "weight against other containers (1024 is normal)", set: one(&o.CPUShares, parseShares)},
		{group: "Limits", name: "cpuset-cpus", arg: "LIST", about: "processors, such as 0-3,5", set: one(&o.CpusetCPUs, checkedCpuset)},
		{group: "Limits", name: "cpuset-mems", arg: "LIST", about: "memory nodes, such as 0", set: one(&o.CpusetMems, checkedCpuset)},
		{group: "Limits", name: "ulimit", arg: "NAME=SOFT[:HARD]", about: "limit of each process, such as nofile=1024", set: each(&o.Ulimits, parseUlimit)},
		{group: "Limits", name: "oom-score-adj", arg: "N", about: "who is killed first when memory is short:\n-1000 to 1000", set: one(&o.OOMScoreAdj, pointer(parseOOMScoreAdj))},

		{group: "Isolation", name: "network", arg: "none|host", value: "none", about: "its own network, or the host's", set: one(&o.Network, checkedNetwork)},
		{group: "Isolation", name: "cap-add", arg: "NAME", about: "add a capability, or ALL", set: each(&o.CapAdd, checkedCapability)},
		{group: "Isolation", name: "cap-drop", arg: "NAME", about: "drop a capability, or ALL", set: each(&o.CapDrop, checkedCapability)},
		{group: "Isolation", name: "security-opt", arg: "NAME=VALUE", about: "seccomp=FILE, seccomp=unconfined, or\nno-new-privileges=false", set: o.setSecurity},
		{group: "Isolation", name: "sysctl", arg: "KEY=VALUE", about: "kernel parameter, of the container's namespaces", set: each(&o.Sysctls, checkedSysctl)},
		{group: "Isolation", name: "privileged", about: "all capabilities and devices, no seccomp filter:\nno protection from COMMAND", set: one(&o.Privileged, parseBool)},

		{group: "Output", name: "log-opt", arg: "NAME=VALUE", about: "log of a detached container: max-size=10m (-1 is\nno limit), max-file=3", set: o.setLog},
		{group: "Output", name: "explain", about: "tell what is done, step by step", set: one(&o.Explain, parseBool)},
	}
}

// one is a flag of which the last value counts.
func one[T any](to *T, parse func(string) (T, error)) func(string) error {
	return func(text string) error {
		value, err := parse(text)
		if err == nil {
			*to = value
		}
		return err
	}
}

// each is a flag of which all values count.
func each[T any](to *[]T, parse func(string) (T, error)) func(string) error {
	return func(text string) error {
		value, err := parse(text)
		if err == nil {
			*to = append(*to, value)
		}
		return err
	}
}

// pointer is for values that may be left open.
func pointer[T any](parse func(string) (T, error)) func(string) (*T, error) {
	return func(text string) (*T, error) {
		value, err := parse(text)
		return &value, err
	}
}

func parseBool(text string) (bool, error) {
	value, err := strconv.ParseBool(text)
	if err != nil {
		return false, errors.New("want true or false")
	}
	return value, nil
}
