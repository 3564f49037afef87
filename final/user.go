//go:build linux

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"container-workshop/final/container"
	"container-workshop/final/engine"
	"container-workshop/final/engine/flags"
	"container-workshop/final/namespace"
	"container-workshop/final/rootless"
)

// stateRoot is the default for --root.
func stateRoot() string {
	if rootless.Is() || namespace.Nested() && filepath.IsAbs(os.Getenv("XDG_RUNTIME_DIR")) {
		return rootless.Root()
	}
	return container.DefaultRoot
}

// isNested reports whether root here is an ordinary user of the host, as under rootless podman: see [namespace.Nested].
func isNested() bool { return global.rootless != "false" && namespace.Nested() }

// prepareUser gives an ordinary user the rights that a verb needs: final enters a user namespace, now or when it opens the container, and
// begins again there.
func (v *verb) prepareUser(store *container.Store, args []string) error {
	if err := rootless.Failed(); err != nil {
		return err
	}
	if err := rootless.Arrive(); err != nil {
		return err
	}
	root := os.Geteuid() == 0
	if rootless.Entered() || v.needs == anyone && !root || root && (global.rootless != "true" || isNested()) {
		return nil
	}
	if root && !global.rootSaid {
		// Root has other directories in a user namespace, even for verbs that only read files.
		store.Root = rootless.Root()
	}
	if global.rootless == "false" {
		return errors.New("a container needs root: use sudo, or leave out --rootless=false")
	}
	if v.name == "network" {
		return errors.New("network: needs root, because a network is a bridge of the host (use sudo; without root there is run --network bridge)")
	}
	entry := rootless.Entry{Keep: inherited, Dirs: []string{store.Root, engine.Storage()}, Warn: func(string) {}}
	if v.needs == inContainer {
		store.Enter = func(pid int) error {
			entry.PID = pid
			err := entry.Enter()
			if errors.Is(err, os.ErrPermission) && (v.name == "kill" || v.name == "delete") {
				// Process 1 executes a program that you may not read, so the kernel hides the namespaces of process 1 from you. But it is your
				// process, which you may end from another user namespace of yours, and so are its files.
				entry.PID = 0
				err = entry.Enter()
			}
			return err
		}
		return nil
	}
	entry.Warn, entry.PID = global.log.Warn, joinedBy(store, args)
	return entry.Enter()
}

// joinedBy returns process 1 of the container whose network the arguments of run name, and 0 without one. The network belongs to the user
// namespace of that container, so nobody in another user namespace can join it.
func joinedBy(store *container.Store, args []string) int {
	if !strings.Contains(strings.Join(args, " "), "container:") {
		return 0
	}
	options, _, err := flags.ParseRun(args)
	if err != nil || options.Joins() == "" {
		return 0
	}
	state, err := store.Glance(options.Joins())
	if err != nil {
		return 0
	}
	return state.Pid
}
