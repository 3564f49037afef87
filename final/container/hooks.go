//go:build linux

package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"

	"container-workshop/final/more/hook"
)

// hasHostHooks reports whether there are hooks to run while the container is made.
func hasHostHooks(hooks *specs.Hooks) bool {
	//lint:ignore SA1019 engines still ask for it
	return hooks != nil && len(hooks.Prestart)+len(hooks.CreateRuntime) > 0
}

// hookState is what a hook reads on its standard input: the state of the container at this point. config.md, "POSIX-platform Hooks"
func (c *Container) hookState(status specs.ContainerState) []byte {
	state, _ := json.Marshal(specs.State{Version: c.Version, ID: c.ID, Status: status, Pid: c.Pid, Bundle: c.Bundle, Annotations: c.Annotations})
	return state
}

// place says where the hooks of the host side run: in the bundle, with our environment, so that they find programs by PATH.
func (c *Container) place() hook.Place {
	dir := c.Bundle
	if _, err := os.Stat(dir); err != nil {
		// Hooks run even if the bundle is gone: they undo what earlier hooks have made.
		dir = "/"
	}
	return hook.Place{Dir: dir, Env: os.Environ()}
}

// createRuntime runs the hooks of the host side when everything is mounted. The state says created, because all namespaces exist.
func (r *Run) createRuntime() error {
	hooks, state, place := r.request.Spec.Hooks, r.hookState(specs.StateCreated), r.place()
	place.Tied = true
	//lint:ignore SA1019 engines still ask for it
	if err := hook.Run("prestart", hooks.Prestart, state, place); err != nil {
		return err
	}
	return hook.Run("createRuntime", hooks.CreateRuntime, state, place)
}

// poststart runs the hooks for a running command. A hook that fails is no failure of the container.
func (c *Container) poststart(hooks *specs.Hooks) {
	if hooks == nil {
		return
	}
	for i := range hooks.Poststart {
		if err := hook.RunOne("poststart", hooks.Poststart, i, c.hookState(specs.StateRunning), c.place()); err != nil {
			c.store.warn(err.Error())
		}
	}
}

// poststop returns a function that runs the hooks for a removed container. By then their list is gone, too, so poststop reads it now. Each
// hook runs, even if an earlier one fails.
func (c *Container) poststop() func() {
	if c.Bundle == "" {
		return func() {}
	}
	spec, err := c.Spec()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.store.warn(fmt.Sprintf("the poststop hooks cannot run: %v", err))
	}
	if err != nil || spec.Hooks == nil {
		return func() {}
	}
	stopped := *c
	stopped.Pid = 0
	state := stopped.hookState(specs.StateStopped)
	return func() {
		for i := range spec.Hooks.Poststop {
			if err := hook.RunOne("poststop", spec.Hooks.Poststop, i, state, stopped.place()); err != nil {
				c.store.warn(err.Error())
			}
		}
	}
}
