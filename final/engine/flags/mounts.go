//go:build linux

package flags

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"container-workshop/final/spec"
)

// makeMounts returns the default mounts, then the mounts of --volume and --tmpfs, parents before children, then the container's own files
// in /etc. A mount that you ask for replaces a default.
func makeMounts(o *Options, host *Host) ([]specs.Mount, error) {
	asked, err := askedMounts(o, host)
	if err != nil {
		return nil, err
	}
	taken := func(m specs.Mount) bool { return slices.ContainsFunc(asked, at(m.Destination)) }
	mounts := append(slices.DeleteFunc(spec.DefaultMounts(o.Privileged), taken), asked...)
	for i, m := range mounts {
		if m.Type == "devpts" {
			// The host has one limit on terminals for all containers, so a container gets at most one terminal for each of its processes.
			mounts[i].Options = append(m.Options, fmt.Sprintf("max=%d", min(*o.Linux.Resources.Pids.Limit, 1<<20)))
		}
	}
	// A volume on /etc belongs to the host: nothing goes into it.
	if host.Etc == "" || slices.ContainsFunc(asked, func(m specs.Mount) bool { return m.Type == "bind" && m.Destination == "/etc" }) {
		return mounts, nil
	}
	for _, name := range []string{"hostname", "hosts", "resolv.conf"} {
		m := specs.Mount{Destination: "/etc/" + name, Type: "bind", Source: path.Join(host.Etc, name), Options: []string{"bind", "rprivate", "nosuid", "nodev", "noexec"}}
		if o.Root.Readonly {
			m.Options = append(m.Options, "ro")
		}
		if !taken(m) {
			mounts = append(mounts, m)
		}
	}
	return mounts, nil
}

// askedMounts returns the mounts of --volume and --tmpfs. Without --tmpfs there is the default tmpfs, unless a volume takes its place.
func askedMounts(o *Options, host *Host) ([]specs.Mount, error) {
	mounts, standard := slices.Clone(o.Mounts), defaultTmpfs()
	for i, m := range mounts {
		if slices.ContainsFunc(mounts[:i], at(m.Destination)) {
			return nil, fmt.Errorf("--volume, --tmpfs: two mounts on %s in the container: leave one of them out", m.Destination)
		}
		if m.Type != "bind" {
			continue
		}
		source := absolute(m.Source, host)
		if _, err := host.Stat(source); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("--volume %s: the host has no %s (create it: mkdir -p %s)", m.Source, source, source)
		} else if err != nil {
			return nil, fmt.Errorf("--volume %s: %w", m.Source, err)
		}
		mounts[i].Source = source
	}
	for i, target := range o.Volumes {
		target, err := checkedTarget(target)
		if err != nil {
			return nil, fmt.Errorf("volume of the image: %w", err)
		}
		if !slices.ContainsFunc(mounts, at(target)) {
			mounts = append(mounts, specs.Mount{Destination: target, Type: "bind", Source: path.Join(host.Volumes, strconv.Itoa(i)), Options: []string{"rbind", "rprivate", "nodev"}})
		}
	}
	if !slices.ContainsFunc(mounts, func(m specs.Mount) bool { return m.Type == "tmpfs" || m.Destination == standard.Destination }) {
		mounts = append(mounts, standard)
	}
	depth := func(m specs.Mount) int { return strings.Count(m.Destination, "/") }
	slices.SortStableFunc(mounts, func(a, b specs.Mount) int { return depth(a) - depth(b) })
	return mounts, nil
}

// at matches the mounts on a path in the container.
func at(destination string) func(specs.Mount) bool {
	return func(m specs.Mount) bool { return m.Destination == destination }
}
