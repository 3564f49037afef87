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
}

// takenIDs returns the ranges of all containers that exist. Storage without a container, which a restart of the host leaves, takes no range.
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

// isolate gives the container a user namespace, with IDs that nobody else has. Its volumes and its files in /etc have the owners that they
// have on the host, because their mounts map IDs.
func isolate(config *specs.Spec, options *flags.Options) (*ids.Claim, error) {
	user, linux := &config.Process.User, config.Linux
	if id := slices.Max(append(user.AdditionalGids, user.UID, user.GID)); id >= ids.Size {
		return nil, fmt.Errorf("--user: %d: the container has the users and groups 0 to %d", id, ids.Size-1)
	}
	claim, err := claimIDs()
	if err != nil {
		return nil, err
	}
	linux.Namespaces = append(linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	linux.UIDMappings = []specs.LinuxIDMapping{{HostID: claim.UID, Size: ids.Size}}
	linux.GIDMappings = []specs.LinuxIDMapping{{HostID: claim.GID, Size: ids.Size}}
	for i := range config.Mounts {
		m := &config.Mounts[i]
		switch {
		case m.Type == "bind":
			m.Options = append(m.Options, "ridmap")
		case m.Type == "sysfs" && options.Network == "host":
			// A new sysfs shows the network of the host. The kernel does not let a container with other IDs make one.
			m.Type, m.Source, m.Options = "bind", "/sys", append(m.Options, "bind", "rprivate")
		}
	}
	return claim, nil
}

// deviceSources returns the paths of devices on the host, by their paths in the container.
func deviceSources(options *flags.Options) map[string]string {
	sources := map[string]string{}
	for _, d := range options.Devices {
		sources[d.Target] = d.Source
	}
	return sources
}
