//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/seccomp"
)

// A container is what a peer shall run.
type container struct {
	// id is also the name of the cgroup and of the bundle.
	id string
	// engine asks for the configuration that an engine writes, instead of the minimal one.
	engine bool
	// memory is the limit in bytes; 0 means 64 MiB.
	memory int64
	binds  int
	args   []string
}

const (
	defaultMemory = 64 << 20
	pidsLimit     = 64
)

// bundle writes the configuration of a container, and returns its directory.
func (b *bench) bundle(c container) (string, error) {
	config, err := b.config(c, b.dir)
	if err != nil {
		return "", err
	}
	config.Process.Args = c.args
	config.Root.Path = b.path("rootfs")
	config.Linux.CgroupsPath = "/" + parent + "/" + c.id
	for i := range c.binds {
		config.Mounts = append(config.Mounts, specs.Mount{
			Destination: fmt.Sprintf("/binds/%d", i), Type: "bind", Source: b.path("source"), Options: []string{"bind", "rprivate", "ro"}})
	}
	config.Linux.Resources.Memory = &specs.LinuxMemory{Limit: new(c.limit())}
	config.Linux.Resources.Pids = &specs.LinuxPids{Limit: new(int64(pidsLimit))}
	text, err := json.Marshal(config)
	if err != nil {
		return "", err
	}
	dir := b.path("bundles", c.id)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, "config.json"), text, 0o644)
}

// config is the configuration that the container asks for, with files of bench's folder, which is mounted at dir.
func (b *bench) config(c container, dir string) (*specs.Spec, error) {
	if c.engine {
		return b.engine(filepath.Join(dir, "engine"))
	}
	return b.minimal()
}

func (c container) limit() int64 {
	if c.memory == 0 {
		return defaultMemory
	}
	return c.memory
}

// minimal is what final spec writes, without a terminal, and with a version that older runtimes know.
func (b *bench) minimal() (*specs.Spec, error) {
	config := new(specs.Spec)
	if err := json.Unmarshal(b.template, config); err != nil {
		return nil, fmt.Errorf("final spec: %w", err)
	}
	config.Version = "1.0.2"
	config.Process.Terminal = false
	return config, nil
}

// engine has the shape of what podman writes for podman run: eleven capabilities, files of the container's own in /etc, its own
// /dev/shm, and a seccomp profile. The files are in the folder.
func (b *bench) engine(folder string) (*specs.Spec, error) {
	config, err := b.minimal()
	if err != nil {
		return nil, err
	}
	kept := []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_SETFCAP",
		"CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT"}
	config.Process.Capabilities = &specs.LinuxCapabilities{Bounding: kept, Effective: kept, Permitted: kept}
	config.Process.User.Umask = new(uint32(0o022))
	config.Process.Env = append(config.Process.Env, "HOME=/root", "HOSTNAME=2fe20dd32411", "container=podman")
	config.Process.NoNewPrivileges = false
	config.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 1024, Hard: 1024}, {Type: "RLIMIT_CORE"}}
	config.Root.Readonly = false
	config.Hostname = "2fe20dd32411"
	config.Annotations = map[string]string{"io.container.manager": "libpod", "org.opencontainers.image.stopSignal": "15"}
	config.Mounts = engineMounts(folder)
	config.Linux.Sysctl = map[string]string{"net.ipv4.ping_group_range": "0 0"}
	config.Linux.MaskedPaths = []string{"/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
		"/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/fs/selinux", "/sys/dev/block"}
	config.Linux.ReadonlyPaths = []string{"/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
	config.Linux.Seccomp, err = engineProfile(kept)
	return config, err
}

// engineProfile has the shape of podman's default profile: rules for all architectures of the processor, some calls that are
// refused by name, and ENOSYS for those that nobody has named.
func engineProfile(kept []string) (*specs.LinuxSeccomp, error) {
	profile, err := seccomp.Default(kept)
	if err != nil {
		return nil, err
	}
	profile.Architectures = []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32}
	if runtime.GOARCH == "arm64" {
		profile.Architectures = []specs.Arch{specs.ArchAARCH64, specs.ArchARM}
	}
	profile.DefaultErrnoRet = new(uint(unix.ENOSYS))
	refused := []string{"bdflush", "kexec_file_load", "kexec_load", "migrate_pages", "move_pages", "nfsservctl", "oldfstat", "oldlstat",
		"oldstat", "swapoff", "swapon", "sysfs", "uselib", "userfaultfd", "ustat", "vm86", "vm86old", "vmsplice"}
	profile.Syscalls = append(profile.Syscalls, specs.LinuxSyscall{
		Names: refused, Action: specs.ActErrno, ErrnoRet: new(uint(unix.EPERM))})
	return profile, nil
}

// engineMounts binds the container's own files, which an engine keeps in a folder.
func engineMounts(folder string) []specs.Mount {
	mount := func(target, kind string, options ...string) specs.Mount {
		return specs.Mount{Destination: target, Type: kind, Source: kind, Options: options}
	}
	bind := func(target, name string, options ...string) specs.Mount {
		return specs.Mount{Destination: target, Type: "bind", Source: filepath.Join(folder, name),
			Options: append([]string{"bind", "rprivate"}, options...)}
	}
	return []specs.Mount{
		mount("/proc", "proc", "nosuid", "noexec", "nodev"),
		mount("/dev", "tmpfs", "nosuid", "noexec", "strictatime", "mode=755", "size=65536k"),
		mount("/sys", "sysfs", "nosuid", "noexec", "nodev", "ro"),
		mount("/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
		mount("/dev/mqueue", "mqueue", "nosuid", "noexec", "nodev"),
		bind("/etc/resolv.conf", "resolv.conf"),
		bind("/etc/hosts", "hosts"),
		bind("/dev/shm", "shm", "nosuid", "noexec", "nodev"),
		bind("/run/.containerenv", ".containerenv"),
		bind("/etc/hostname", "hostname"),
		mount("/sys/fs/cgroup", "cgroup", "rprivate", "nosuid", "noexec", "nodev", "relatime", "ro"),
	}
}

// engineFiles are what an engine puts into the folder before it calls the runtime.
func engineFiles(folder string) error {
	for _, name := range []string{"resolv.conf", "hosts", ".containerenv", "hostname"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("# of the container\n"), 0o644); err != nil {
			return err
		}
	}
	return nil
}
