//go:build linux

package engine

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/cgroup"
	"container-workshop/final/engine/flags"
	"container-workshop/final/rootfs"
	"container-workshop/final/rootless"
)

// fitUser changes what an ordinary user cannot have in a configuration, and reports whether the container has no cgroups.
func fitUser(options *flags.Options, config *specs.Spec, warn func(string)) (noCgroups bool, err error) {
	if rootless.One() {
		// The group of terminals has no ID.
		for i := range config.Mounts {
			m := &config.Mounts[i]
			m.Options = slices.DeleteFunc(slices.Clone(m.Options), func(option string) bool { return m.Type == "devpts" && option == "gid=5" })
		}
	}
	why := findCgroup(config.Linux)
	if why == nil {
		return false, nil
	}
	if len(options.Limits) > 0 {
		return false, fmt.Errorf("--%s: the host gives you no cgroup for limits: %w (%s)", options.Limits[0], why, remedy())
	}
	if warn != nil {
		warn(fmt.Sprintf("the container runs without limits: %v (%s)", why, remedy()))
	}
	config.Linux.Resources = &specs.LinuxResources{}
	return true, nil
}

// findCgroup chooses a cgroup beside our own: systemd gives a user the cgroups below user@UID.service. It returns an error if the user may
// not make the cgroup.
func findCgroup(linux *specs.Linux) error {
	path := strings.TrimPrefix(linux.CgroupsPath, "/")
	groups, err := cgroup.New(path, linux.Resources)
	if err == nil {
		err = groups.MayMake()
	}
	if err == nil {
		linux.CgroupsPath = path
	}
	return err
}

// remedy says how a user gets a cgroup. systemd.resource-control(5), Delegate
func remedy() string {
	if mode, err := cgroup.Detect(); err == nil && mode == cgroup.V2 {
		return "start final with: systemd-run --user --scope --property Delegate=yes final run ..."
	}
	return "with cgroup version 1 only root can make cgroups: use sudo"
}

// nobody owns the files whose owner on the host has no ID in the user namespace. proc_sys_kernel(5), overflowuid
const nobody = 65534

// ownDirectories makes the root directory of the container, and the directories in it, those of the container's root. They belong to the
// host's root, who has no ID in the user namespace, so nobody in the container could make a file there. The files in them, and the directories
// below, stay: use a root file system of your own to change those.
func ownDirectories(lower rootfs.Root, upper int, mode uint32) error {
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
		if err := unix.Mkdirat(upper, name, 0); err != nil {
			return &os.PathError{Op: "mkdir", Path: name, Err: err}
		}
		if err := unix.Fchmodat(upper, name, stat.Mode&0o7777, 0); err != nil {
			return &os.PathError{Op: "chmod", Path: name, Err: err}
		}
	}
	return unix.Fchmod(upper, mode&0o7777)
}
