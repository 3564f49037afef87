//go:build linux

package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/engine/flags"
	"container-workshop/final/engine/ids"
	"container-workshop/final/owned"
	"container-workshop/final/rootless"
)

// claimIDs claims a range of IDs that no other container has. The claim stays locked until the storage of the container has the range as
// the owner of its directory work: see takenIDs.
func claimIDs() (*ids.Claim, error) {
	claim, err := func() (*ids.Claim, error) {
		if rootless.Is() {
			return nil, errors.New("needs root (run final with sudo, or leave the flag out: without root, every container has a user namespace)")
		}
		pool, err := ids.Pool("/")
		if err != nil {
			return nil, err
		}
		storage, err := openStorage()
		if err != nil {
			return nil, err
		}
		defer unix.Close(storage)
		return ids.Take(pool, filepath.Join(Home(), "ids"), func() ([]ids.Range, error) { return takenIDs(storage) })
	}()
	if err != nil {
		return nil, fmt.Errorf("--userns auto: %w", err)
	}
	return claim, nil
}

// takenIDs returns the ranges of all containers that have storage. A storage whose container is gone has none: a restart of the host leaves
// such storage.
func takenIDs(storage int) ([]ids.Range, error) {
	dir, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", storage))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var taken []ids.Range
	for _, name := range names {
		var work unix.Stat_t
		if unix.Fstatat(storage, name+"/work", &work, unix.AT_SYMLINK_NOFOLLOW) == nil && work.Uid != 0 && hasContainer(storage, name) {
			taken = append(taken, ids.Range{UID: work.Uid, GID: work.Gid})
		}
	}
	return taken, nil
}

// hasContainer reports whether the container exists that a directory of the storage belongs to.
func hasContainer(storage int, name string) bool {
	dir, err := owned.Below(storage, name)
	if err != nil {
		return false
	}
	defer unix.Close(dir)
	root := storedFor(dir)
	if root == "" {
		return false
	}
	_, err = os.Lstat(filepath.Join(root, name))
	return err == nil
}

// isolate gives the container a user namespace, with the IDs of a range. Its volumes and its files in /etc have the owners that they have on
// the host, because their mounts map IDs. Devices are mounts, too: in a user namespace, a new device node is of no use.
func isolate(config *specs.Spec, options *flags.Options, r ids.Range) {
	linux := config.Linux
	linux.Namespaces = append(linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	linux.UIDMappings = []specs.LinuxIDMapping{{HostID: r.UID, Size: ids.Size}}
	linux.GIDMappings = []specs.LinuxIDMapping{{HostID: r.GID, Size: ids.Size}}
	config.Mounts = slices.Clone(config.Mounts)
	for i, m := range config.Mounts {
		if m.Type == "bind" {
			config.Mounts[i].Options = append(slices.Clone(m.Options), "ridmap")
		}
	}
	if options.Network == "host" {
		// The kernel shows the network of the host in a new sysfs, and does not let a container with other IDs make one.
		i := slices.IndexFunc(config.Mounts, func(m specs.Mount) bool { return m.Type == "sysfs" })
		sys := &config.Mounts[i]
		sys.Type, sys.Source, sys.Options = "bind", "/sys", append([]string{"bind", "rprivate"}, sys.Options...)
	}
	for _, d := range options.Devices {
		linux.Devices = slices.DeleteFunc(linux.Devices, func(node specs.LinuxDevice) bool { return node.Path == d.Target })
		config.Mounts = append(config.Mounts, specs.Mount{Destination: d.Target, Type: "bind", Source: d.Source, Options: []string{"bind", "rprivate", "nosuid", "noexec"}})
	}
}
