//go:build linux

package flags

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"container-workshop/final/spec"
)

// newMounts returns the default mounts, then those of the flags, parents before children, then the container's own files in
// /etc. What a flag asks for takes the place of a default.
func newMounts(o *Options, host *Host) ([]specs.Mount, error) {
	asked, err := askedMounts(o, host)
	if err != nil {
		return nil, err
	}
	taken := func(m specs.Mount) bool { return slices.ContainsFunc(asked, at(m.Destination)) }
	defaults := spec.DefaultMounts(o.Privileged)
	limitTerminals(defaults, o.Pids)
	mounts := append(slices.DeleteFunc(defaults, taken), asked...)
	// A volume on /etc is the host's: nothing is put into it.
	if host.Etc == "" || slices.ContainsFunc(o.Volumes, func(v Volume) bool { return v.Target == "/etc" }) {
		return mounts, nil
	}
	for _, name := range []string{"hostname", "hosts", "resolv.conf"} {
		mount := specs.Mount{Destination: "/etc/" + name, Type: "bind", Source: path.Join(host.Etc, name), Options: []string{"bind", "rprivate", "nosuid", "nodev", "noexec"}}
		if o.ReadOnly {
			mount.Options = append(mount.Options, "ro")
		}
		if !taken(mount) {
			mounts = append(mounts, mount)
		}
	}
	return mounts, nil
}

// limitTerminals lets a container have as many terminals as processes: the host has a limit for all containers together. Linux,
// Documentation/filesystems/devpts.rst
func limitTerminals(mounts []specs.Mount, pids int64) {
	const most = 1 << 20
	for i, m := range mounts {
		if m.Type == "devpts" {
			mounts[i].Options = append(m.Options, fmt.Sprintf("max=%d", min(pids, most)))
		}
	}
}

// askedMounts returns the mounts of --tmpfs and --volume. A volume takes the place of the default tmpfs.
func askedMounts(o *Options, host *Host) ([]specs.Mount, error) {
	var mounts []specs.Mount
	for _, volume := range o.Volumes {
		source := absolute(volume.Source, host)
		if err := exists(host, source); err != nil {
			return nil, fmt.Errorf("--volume %s: %w", volume.Source, err)
		}
		// Without a word about access the volume keeps what its source has: ro, nosuid, nodev and noexec.
		options := []string{"rbind", "rprivate"}
		if volume.ReadOnly {
			// Read-only is meant for what is mounted below, too.
			options = append(options, "rro")
		}
		mounts = append(mounts, specs.Mount{Destination: volume.Target, Type: "bind", Source: source, Options: options})
	}
	tmpfs := o.Tmpfs
	if standard := defaultTmpfs(); tmpfs == nil && !slices.ContainsFunc(mounts, at(standard.Target)) {
		tmpfs = []Tmpfs{standard}
	}
	for _, t := range tmpfs {
		mounts = append(mounts, specs.Mount{Destination: t.Target, Type: "tmpfs", Source: "tmpfs", Options: t.Options})
	}
	for i, mount := range mounts {
		if slices.ContainsFunc(mounts[:i], at(mount.Destination)) {
			return nil, fmt.Errorf("--volume, --tmpfs: two mounts on %s in the container: leave one of them out", mount.Destination)
		}
	}
	depth := func(m specs.Mount) int { return strings.Count(m.Destination, "/") }
	slices.SortStableFunc(mounts, func(a, b specs.Mount) int { return depth(a) - depth(b) })
	return mounts, nil
}

// at matches the mounts on a place in the container.
func at(destination string) func(specs.Mount) bool {
	return func(m specs.Mount) bool { return m.Destination == destination }
}

// exists turns what stat says into advice. stat(2)
func exists(host *Host, name string) error {
	_, err := host.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the host has no %s (create it: mkdir -p %s)", name, name)
	}
	return err
}
