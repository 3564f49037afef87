//go:build linux

package main

import (
	"os"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/seccomp"
)

func userNamespace(c *configuration, d dice) {
	maps := pick(d, []specs.LinuxIDMapping{{ContainerID: 0, HostID: userBase, Size: 65536}},
		[]specs.LinuxIDMapping{{ContainerID: 0, HostID: userBase, Size: 1000}, {ContainerID: 1000, HostID: userBase + 1000, Size: 5000}})
	c.Spec.Linux.Namespaces = append(c.Spec.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	c.Spec.Linux.UIDMappings, c.Spec.Linux.GIDMappings = maps, maps
}

func joinedNamespaces(c *configuration, d dice) {
	kinds := some(d, 50, specs.NetworkNamespace, specs.IPCNamespace, specs.UTSNamespace, specs.PIDNamespace)
	c.Holder = true
	if c.has(specs.UserNamespace) && !d.wild {
		c.HolderUser = true
		c.Spec.Linux.UIDMappings, c.Spec.Linux.GIDMappings = nil, nil
		kinds = append(kinds, specs.UserNamespace)
	}
	c.Spec.Linux.Namespaces = joined(c.Spec.Linux.Namespaces, kinds...)
	c.note("joins %v", kinds)
}

// joined gives namespaces of some kinds the path of the holder's.
func joined(namespaces []specs.LinuxNamespace, kinds ...specs.LinuxNamespaceType) []specs.LinuxNamespace {
	for i, n := range namespaces {
		if slices.Contains(kinds, n.Type) {
			namespaces[i].Path = base + "/ns/" + string(n.Type)
		}
	}
	return namespaces
}

func fewerNamespaces(c *configuration, d dice) {
	all := []specs.LinuxNamespaceType{specs.NetworkNamespace, specs.IPCNamespace, specs.UTSNamespace, specs.PIDNamespace, specs.MountNamespace}
	gone := all[:0:0]
	switch owned := c.has(specs.UserNamespace) && !d.wild; {
	case owned:
		// New file systems need a new namespace of their kind.
		gone = all[2:3]
	case d.chance(10):
		gone = all
	case d.chance(10):
		gone = all[4:]
	default:
		gone = some(d, 40, all[:4]...)
	}
	c.Spec.Linux.Namespaces = slices.DeleteFunc(c.Spec.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return slices.Contains(gone, n.Type) })
	if slices.Contains(gone, specs.UTSNamespace) {
		c.Spec.Hostname = ""
	}
	c.note("without %v", gone)
}

func timeNamespace(c *configuration, d dice) {
	c.Spec.Linux.Namespaces = append(c.Spec.Linux.Namespaces, specs.LinuxNamespace{Type: specs.TimeNamespace})
	if d.chance(70) {
		c.Spec.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"boottime": {Secs: 1000, Nanosecs: 5}, "monotonic": {Secs: 3600}}
	}
}

func cgroupNamespace(c *configuration, d dice) {
	c.Spec.Linux.Namespaces = slices.DeleteFunc(c.Spec.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.CgroupNamespace })
	if d.chance(50) {
		c.Spec.Linux.Namespaces = append(c.Spec.Linux.Namespaces, specs.LinuxNamespace{Type: specs.CgroupNamespace})
	}
}

func devices(c *configuration, d dice) {
	mode, id := os.FileMode(0o640), uint32(5)
	list := []specs.LinuxDevice{
		{Path: "/dev/other", Type: "c", Major: 1, Minor: 5, FileMode: &mode, UID: &id, GID: &id},
		{Path: "/dev/sub/fuse", Type: "c", Major: 10, Minor: 229},
		{Path: "/dev/disk", Type: "b", Major: 7, Minor: 100, FileMode: &mode},
		{Path: "/dev/fifo", Type: "p", FileMode: &mode},
		{Path: "/dev/null", Type: "c", Major: 1, Minor: 3, FileMode: &mode},
		{Path: "/data/device", Type: "u", Major: 1, Minor: 8},
	}
	if c.has(specs.UserNamespace) && !d.wild {
		// The host's own nodes are bound.
		list = list[4:5]
	}
	c.Spec.Linux.Devices = some(d, 50, wildly(d, list, specs.LinuxDevice{Path: "/data/file", Type: "c", Major: 1, Minor: 3})...)
	one, five := int64(1), int64(5)
	if d.chance(50) {
		c.Spec.Linux.Resources.Devices = append(c.Spec.Linux.Resources.Devices, specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: &one, Minor: &five, Access: "rw"})
	}
	for _, device := range c.Spec.Linux.Devices {
		c.look(device.Path)
	}
}

func masks(c *configuration, d dice) {
	l := c.Spec.Linux
	l.MaskedPaths = append(some(d, 80, l.MaskedPaths...), some(d, 50, wildly(d, []string{"/data/file", "/data/deep", "/no/such", "/data/inner", "/sys/fs", "/dev/zero"}, "/bin/again")...)...)
	l.ReadonlyPaths = append(some(d, 80, l.ReadonlyPaths...), some(d, 50, "/data", "/etc/passwd", "/no/such", "/tmp", "/dev/shm", "/data/inner")...)
	c.look("/data/file", "/data/deep", "/data/deep/set", "/sys/fs", "/etc/passwd", "/data", "/data/inner")
}

func propagation(c *configuration, d dice) {
	c.Spec.Linux.RootfsPropagation = pick(d, "shared", "rshared", "slave", "rslave", "private", "rprivate", "unbindable", "runbindable")
	c.note("rootfsPropagation %s", c.Spec.Linux.RootfsPropagation)
}

func resources(c *configuration, d dice) {
	r := c.Spec.Linux.Resources
	limit, soft := int64(200<<20), int64(100<<20)
	if d.chance(60) {
		r.Memory = &specs.LinuxMemory{Limit: &limit, Reservation: pick(d, nil, &soft), Swap: pick(d, nil, &limit)}
	}
	if d.chance(60) {
		r.Pids = &specs.LinuxPids{Limit: pick(d, new(int64(100)), new(int64(-1)))}
	}
	if d.chance(60) {
		r.CPU = &specs.LinuxCPU{Shares: pick(d, nil, new(uint64(512))), Quota: pick(d, nil, new(int64(50000))), Cpus: pick(d, "", "0"), Mems: pick(d, "", "0")}
	}
}

func sysctls(c *configuration, d dice) {
	all := map[string]string{}
	set := func(kind specs.LinuxNamespaceType, key, value, path string) {
		if (c.makes(kind) || c.Holder && c.has(kind)) && d.chance(60) {
			all[key] = value
			c.look(path)
		}
	}
	set(specs.NetworkNamespace, "net.ipv4.ip_forward", "1", "/proc/sys/net/ipv4/ip_forward")
	set(specs.NetworkNamespace, "net/ipv4/ping_group_range", "0 5", "/proc/sys/net/ipv4/ping_group_range")
	set(specs.IPCNamespace, "kernel.msgmax", "4096", "/proc/sys/kernel/msgmax")
	set(specs.IPCNamespace, "fs.mqueue.msg_max", "5", "/proc/sys/fs/mqueue/msg_max")
	set(specs.UTSNamespace, "kernel.domainname", "by.sysctl", "/proc/sys/kernel/domainname")
	c.Spec.Linux.Sysctl = all
	if c.has(specs.UTSNamespace) && d.chance(40) {
		c.Spec.Domainname = "example.org"
	}
}

func personality(c *configuration, d dice) {
	c.Spec.Linux.Personality = &specs.LinuxPersonality{Domain: pick(d, specs.PerLinux, specs.PerLinux32)}
}

func memoryPolicy(c *configuration, d dice) {
	c.Spec.Linux.MemoryPolicy = pick(d, &specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "0"}, &specs.LinuxMemoryPolicy{Mode: specs.MpolLocal},
		&specs.LinuxMemoryPolicy{Mode: specs.MpolInterleave, Nodes: "0", Flags: []specs.MemoryPolicyFlagType{specs.MpolFStaticNodes}})
}

// filter gives the container a seccomp filter under which the probe still works.
func filter(c *configuration, d dice) {
	if d.chance(50) {
		var bounding []string
		if c.Spec.Process.Capabilities != nil {
			bounding = c.Spec.Process.Capabilities.Bounding
		}
		profile, err := seccomp.Default(bounding)
		if err != nil {
			panic(err)
		}
		c.Spec.Linux.Seccomp = profile
	} else {
		refused := func(names ...string) specs.LinuxSyscall {
			return specs.LinuxSyscall{Names: names, Action: specs.ActErrno, ErrnoRet: pick(d, nil, new(uint(unix.ENOSYS)))}
		}
		c.Spec.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: pick(d, specs.ActAllow, specs.ActLog), Syscalls: []specs.LinuxSyscall{
			refused(some(d, 50, "kcmp", "bpf", "keyctl", "chroot", "getcwd", "setgroups", "mount", "pivot_root", "sethostname")...),
			refused("swapon"),
			{Names: []string{"personality"}, Action: specs.ActErrno, Args: []specs.LinuxSeccompArg{{Index: 0, Value: 8, Op: specs.OpEqualTo}}},
			{Names: []string{"ptrace", "acct"}, Action: specs.ActTrace},
		}}
	}
	c.Spec.Linux.Seccomp.Flags = some(d, 30, specs.LinuxSeccompFlagLog, specs.LinuxSeccompFlagSpecAllow)
}

// listener has a process on the host decide about two system calls. seccomp_unotify(2)
func listener(c *configuration, _ dice) {
	if c.Spec.Linux.Seccomp == nil {
		c.Spec.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow}
	}
	p := c.Spec.Linux.Seccomp
	p.ListenerPath, p.ListenerMetadata = base+"/listener", "for the listener"
	p.Syscalls = append([]specs.LinuxSyscall{{Names: []string{"delete_module", "acct"}, Action: specs.ActNotify}}, p.Syscalls...)
}

func hooks(c *configuration, d dice) {
	c.Host = append(c.Host, dir("/../out", 0o777), entry{Path: "/../out/order", Mode: unix.S_IFREG | 0o666})
	c.mount("bind", base+"/out", "/out", "bind")
	list := func(name, probe, out string) []specs.Hook {
		if !d.chance(70) {
			return nil
		}
		hook := specs.Hook{Path: probe, Args: []string{"probe", "--hook", name, out + "/" + name}, Timeout: pick(d, nil, new(60))}
		if d.chance(50) {
			hook.Env = []string{"HOOK=" + name, "PATH=/hook"}
		}
		return []specs.Hook{hook}
	}
	host, out := base+"/probe", base+"/out"
	c.Spec.Hooks = &specs.Hooks{
		//lint:ignore SA1019 engines still ask for it
		Prestart:      list("prestart", host, out),
		CreateRuntime: list("createRuntime", host, out), CreateContainer: list("createContainer", host, out),
		StartContainer: list("startContainer", "/probe", "/out"), Poststart: list("poststart", host, out), Poststop: list("poststop", host, out),
	}
	if d.wild && d.chance(30) {
		c.Spec.Hooks.CreateContainer = []specs.Hook{{Path: "/no/such/hook"}}
		c.note("hooks, one is missing")
	}
}
