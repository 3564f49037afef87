//go:build linux

// Package engine is what `docker run` is. It runs on the host side, above the runtime: it turns flags into a configuration, prepares what the
// configuration names (an overlay over the root file system, the container's own files in /etc), and calls the runtime, package
// container, as any engine does. The runtime knows nothing of it.
//
// A detached container has a monitor, which is a process of its own: see [Monitor].
package engine

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/container"
	"container-workshop/final/engine/flags"
	"container-workshop/final/engine/ids"
	"container-workshop/final/rootfs"
	"container-workshop/final/rootless"
	"container-workshop/final/seccomp"
	"container-workshop/final/spec"
	"container-workshop/final/stage"
	"container-workshop/final/terminal"
)

// MakeRequest turns the flags of run into a request, and refuses wrong flags before anything is made. systemd says that systemd makes the
// cgroups.
func MakeRequest(store *container.Store, options *flags.Options, command []string, console *terminal.Console, systemd bool) (*container.Request, error) {
	lower, err := openLower(options)
	if err != nil {
		return nil, err
	}
	if command, err = lower.complete(options, command); err != nil {
		return nil, err
	}
	config, err := configure(store, options, command, lower.tree, console)
	if err != nil {
		return nil, err
	}
	claim, err := mapUsers(config, options)
	if err != nil {
		return nil, err
	}
	if systemd {
		// An empty path lets systemd name the unit.
		config.Linux.CgroupsPath = ""
	}
	noCgroups := false
	if rootless.Is() {
		by, err := fitUser(options, config, systemd, store.Tell)
		if err != nil {
			return nil, err
		}
		systemd, noCgroups = by == systemdMakes, by == nobodyMakes
	}
	root, id := store.Root, options.Name
	plugged := connect(root, options, config, store.Tell)
	request := &container.Request{
		ID: id, Spec: config, Root: lower.tree, Init: options.Init, Size: console.Size(), Explain: options.Explain,
		SystemdCgroup: systemd, OwnCgroups: true, Lean: mountsNothing(options, config), NoCgroups: noCgroups,
		Devices: deviceSources(options),
		Claim:   func() error { return checkStorage(root, id) },
		Prepare: func(line *stage.Line) {
			plugged.join(line)
			line.Do(fmt.Sprintf("mkdir(%q)", directory(id)), "mkdir(2)", 0, func() error {
				_, err := makeStorage(root, id, lower, claim.Range, etc(options, plugged))
				return err
			})
			claim.Close()
			plugged.begin(line)
		},
		Started: func(pid int) error { return noteFirst(id, pid) },
		Mount: func(mapIDs func(mount int) error) (int, error) {
			if options.Userns == "keep-id" {
				// The kernel lets only the host's root map the IDs of a mount of the host.
				mapIDs = nil
			}
			return mountOverlay(lower.layers, directory(id), mapIDs)
		},
	}
	switch {
	case plugged != nil:
		request.Network = plugged.plug
	case rootless.Is() && options.Network == "bridge":
		by, err := findCarrier(options.Publish)
		if err != nil {
			return nil, err
		}
		request.Network = func(line *stage.Line, namespace *os.File) { plugUser(by, id, options.Publish, line, namespace) }
	}
	return request, request.Check()
}

// mountsNothing reports whether the container has the default profile, and without CAP_SYS_ADMIN: then it can neither mount anything nor make
// a user namespace, in which it could mount.
func mountsNothing(options *flags.Options, config *specs.Spec) bool {
	return options.Seccomp == "" && !options.Unconfined() && !slices.Contains(config.Process.Capabilities.Bounding, "CAP_SYS_ADMIN")
}

// configure returns the configuration that the flags ask for.
func configure(store *container.Store, options *flags.Options, command []string, tree rootfs.Root, console *terminal.Console) (*specs.Spec, error) {
	dir, err := os.Getwd()
	if err != nil {
		// Somebody has removed the directory. No path below it leads anywhere.
		dir = "/removed working directory"
	}
	host := flags.Host{
		Dir: dir, Terminal: console.IsTerminal(), LookupEnv: os.LookupEnv, Rlimit: rlimit,
		Stat: func(name string) (stat unix.Stat_t, err error) { return stat, unix.Stat(name, &stat) },
		Read: func(name string) ([]byte, error) { return tree.ReadFile(name, spec.MaxRecords) },
		Etc:  FilesDir(options.Name), Volumes: volumesDir(options.Name),
	}
	if options.Privileged {
		host.Devices = hostDevices()
	}
	if options.Init && *options.Linux.Resources.Pids.Limit < initPids {
		return nil, fmt.Errorf("--init: process 1 needs several threads: use --pids %d or more", initPids)
	}
	if options.Userns == "keep-id" {
		if err := asYou(options); err != nil {
			return nil, err
		}
	}
	config, err := flags.MakeSpec(*options, command, host)
	if err != nil {
		return nil, err
	}
	return config, errors.Join(joinNetwork(store, options, config), setProfile(options, config))
}

// mapUsers gives the container the user namespace that --userns asks for.
func mapUsers(config *specs.Spec, options *flags.Options) (claim *ids.Claim, err error) {
	claim = new(ids.Claim)
	switch options.Userns {
	case "auto":
		if claim, err = isolate(config, options); err != nil {
			return nil, fmt.Errorf("--userns auto: %w", err)
		}
	case "keep-id":
		claim.Range, err = keepID(config)
	}
	return claim, err
}

// rlimit returns one of our soft limits, and 0 if the kernel has no such limit. Go raises RLIMIT_NOFILE, but nobody asks for that limit
// here.
func rlimit(number int) uint64 {
	var limit unix.Rlimit
	_ = unix.Getrlimit(number, &limit)
	return limit.Cur
}

// initPids is how many processes and threads --init needs.
const initPids = 16

// setProfile sets the seccomp profile that the flags name, or the default profile.
func setProfile(options *flags.Options, config *specs.Spec) (err error) {
	if options.Unconfined() {
		return nil
	}
	capabilities := config.Process.Capabilities.Bounding
	if options.Seccomp == "" {
		config.Linux.Seccomp, err = seccomp.Default(capabilities)
		return err
	}
	file, err := spec.OpenInput(options.Seccomp)
	if err != nil {
		return fmt.Errorf("--security-opt seccomp: %w", err)
	}
	defer file.Close()
	if config.Linux.Seccomp, err = seccomp.Load(file, capabilities); err != nil {
		return fmt.Errorf("--security-opt seccomp=%s: %w", options.Seccomp, err)
	}
	return nil
}
