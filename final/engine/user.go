//go:build linux

package engine

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/cgroup"
	"container-workshop/final/engine/flags"
	"container-workshop/final/engine/ids"
	"container-workshop/final/rootfs"
	"container-workshop/final/rootless"
)

// fitUser changes what an ordinary user cannot have in a configuration, and says who makes the cgroups.
func fitUser(options *flags.Options, config *specs.Spec, systemd bool, warn func(string)) (by maker, err error) {
	if err := checkUser(options, config.Process); err != nil {
		return by, err
	}
	if rootless.One() {
		// The group of terminals has no ID.
		for i := range config.Mounts {
			m := &config.Mounts[i]
			m.Options = slices.DeleteFunc(slices.Clone(m.Options), func(option string) bool { return m.Type == "devpts" && option == "gid=5" })
		}
	}
	by, missing, why := findCgroup(config.Linux, options.Name, systemd)
	if why == nil {
		return by, leaveOut(missing, options, config.Linux.Resources, warn)
	}
	if len(options.Limits) > 0 {
		return by, fmt.Errorf("--%s: the host gives you no cgroup for limits: %w (%s)", options.Limits[0], why, remedy())
	}
	if warn != nil && rootless.First("no-limits") {
		warn(fmt.Sprintf("the container runs without limits: %v (%s)", why, remedy()))
	}
	config.Linux.Resources = &specs.LinuxResources{}
	return nobodyMakes, nil
}

// A maker is who makes the cgroups of a container.
type maker int

const (
	finalMakes maker = iota
	systemdMakes
	nobodyMakes
)

// checkUser refuses what an ordinary user cannot have at all.
func checkUser(options *flags.Options, process *specs.Process) error {
	if len(options.Aliases) > 0 {
		return fmt.Errorf("--network-alias %s: without root, containers do not find each other by name (use sudo, or publish a port: --publish)", options.Aliases[0])
	}
	switch network := options.Network; {
	case network == "none" || network == "host" || options.Joins() != "":
	case network == "bridge":
		by, err := findCarrier(options.Publish)
		if err != nil {
			return fmt.Errorf("--network bridge: %w", err)
		}
		ports, err := reserveForUser(by, options.Publish)
		if err != nil {
			return err
		}
		options.Publish = ports
		for _, host := range options.KnownHosts {
			if !host.IP.IsValid() {
				return fmt.Errorf("--add-host %s:host-gateway: the container of an ordinary user cannot reach the host itself (use an address)", host.Name)
			}
		}
		if len(options.DNS) == 0 {
			options.DNS = []netip.Addr{userDNS}
		}
	default:
		return fmt.Errorf("--network %s: needs root, because such a network is a bridge of the host (use sudo, or --network bridge)", options.Network)
	}
	if !rootless.Entered() || options.Userns == "keep-id" {
		return nil
	}
	uids, gids, err := rootless.Maps()
	if err != nil {
		return err
	}
	user := &process.User
	last := min(rootless.Last(uids), rootless.Last(gids))
	if id := slices.Max(append(slices.Clone(user.AdditionalGids), user.UID, user.GID)); uint64(id) > last {
		has := "user 0 and group 0"
		if last > 0 {
			has = fmt.Sprintf("the users and groups 0 to %d", last)
		}
		return fmt.Errorf("--user: %d: the container has only %s (for more, add a line to /etc/subuid and /etc/subgid)", id, has)
	}
	return nil
}

// defaults are the controllers of the limits that a container has without any flag, with the flags that need each controller.
var defaults = []struct {
	controller string
	flags      []string
	leaveOut   func(r *specs.LinuxResources)
}{
	{"memory", []string{"memory", "memory-swap", "memory-reservation"}, func(r *specs.LinuxResources) { r.Memory = nil }},
	{"pids", []string{"pids", "pids-limit"}, func(r *specs.LinuxResources) { r.Pids = nil }},
	{"cpu", []string{"cpus", "cpu-shares"}, func(r *specs.LinuxResources) {
		r.CPU = &specs.LinuxCPU{Cpus: r.CPU.Cpus, Mems: r.CPU.Mems}
	}},
}

// leaveOut leaves out limits that nobody has asked for, if the host does not give the user their controllers.
func leaveOut(missing []string, options *flags.Options, r *specs.LinuxResources, warn func(string)) error {
	for _, d := range defaults {
		if !slices.Contains(missing, d.controller) {
			continue
		}
		for _, name := range d.flags {
			if slices.Contains(options.Limits, name) {
				return fmt.Errorf("--%s: the host does not give you the %s controller (as root: systemctl edit user@.service, and add [Service] and Delegate=cpu memory pids)", name, d.controller)
			}
		}
		d.leaveOut(r)
		if warn != nil && rootless.First("no-"+d.controller) {
			warn(fmt.Sprintf("the container runs without the limit of the %s controller, which the host does not give you", d.controller))
		}
	}
	return nil
}

// findCgroup chooses a cgroup beside our own, if that is delegated to the user. If not, the systemd of the user makes a scope. findCgroup
// returns the controllers of limits that the cgroup lacks, or an error if nobody can make one.
func findCgroup(linux *specs.Linux, id string, systemd bool) (by maker, missing []string, err error) {
	path := strings.TrimPrefix(linux.CgroupsPath, "/")
	var groups *cgroup.Cgroup
	if !systemd {
		if groups, err = cgroup.New(path, linux.Resources); err == nil {
			err = groups.MayMake()
		}
	}
	linux.CgroupsPath = path
	mode, none := cgroup.Detect()
	if systemd && mode != cgroup.V2 {
		return by, nil, cmp.Or(none, errors.New("the systemd of a user has cgroups of version 2 only"))
	}
	if mode == cgroup.V2 && (systemd || err != nil) {
		if groups, none = cgroup.NewSystemd("", id, linux.Resources); none == nil {
			by, err, linux.CgroupsPath = systemdMakes, nil, ""
		}
		err = cmp.Or(err, none)
	}
	if err != nil || groups.Mode != cgroup.V2 {
		return by, nil, err
	}
	has, err := groups.Available()
	for _, d := range defaults {
		if !slices.Contains(has, d.controller) {
			missing = append(missing, d.controller)
		}
	}
	return by, missing, err
}

// remedy says how a user gets a cgroup. systemd.resource-control(5), Delegate
func remedy() string {
	if mode, err := cgroup.Detect(); err == nil && mode == cgroup.V2 {
		return "log in with ssh or machinectl shell, so that systemd runs for you and final can ask systemd for limits: su and sudo do not log you in"
	}
	return "with cgroup version 1 only root can make cgroups: use sudo"
}

// nobody owns the files whose owner on the host has no ID in the user namespace. proc_sys_kernel(5), overflowuid
const nobody = 65534

// untouched are directories that mounts cover, or in which nobody makes files.
var untouched = []string{"boot", "dev", "lost+found", "media", "proc", "sys", "usr"}

// ownDirectories makes the root directory of the container, and the directories in it, those of the container's root. They belong to the
// host's root, who has no ID in the user namespace, so nobody in the container could make a file there. The files in them, and the directories
// below, stay: use a root file system of your own to change those.
func ownDirectories(lower rootfs.Root, own ids.Range, upper int, mode uint32) error {
	fd, err := lower.Open("/", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	dir := os.NewFile(uintptr(fd), "root file system")
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		var stat unix.Stat_t
		if unix.Fstatat(fd, name, &stat, unix.AT_SYMLINK_NOFOLLOW) != nil || stat.Mode&unix.S_IFMT != unix.S_IFDIR || stat.Uid != nobody {
			continue
		}
		// Each directory takes time to make and to remove.
		if slices.Contains(untouched, name) {
			continue
		}
		if err := unix.Mkdirat(upper, name, 0); err != nil {
			return &os.PathError{Op: "mkdir", Path: name, Err: err}
		}
		if err := unix.Fchownat(upper, name, own.User(0), own.Group(0), unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return &os.PathError{Op: "chown", Path: name, Err: err}
		}
		if err := unix.Fchmodat(upper, name, stat.Mode&0o7777, 0); err != nil {
			return &os.PathError{Op: "chmod", Path: name, Err: err}
		}
	}
	return errors.Join(unix.Fchown(upper, own.User(0), own.Group(0)), unix.Fchmod(upper, mode&0o7777))
}
