//go:build linux

package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/become"
	"container-workshop/final/cgroup"
	"container-workshop/final/command"
	"container-workshop/final/more/hook"
	"container-workshop/final/namespace"
	"container-workshop/final/process"
	"container-workshop/final/rootfs"
	"container-workshop/final/seccomp"
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

// createContainer runs the hooks that see the container before its command does. They start in the root directory of the container to be,
// and the host's programs are in sight. config.md, "POSIX-platform Hooks"
func (r *Run) createContainer(p *plan) error {
	q := &become.Request{Config: r.request.Spec, Process: r.request.Spec.Process}
	orders := become.Orders{Root: p.inside.Root}
	place := hook.Place{Start: r.starter(q, &orders, nil, os.Environ())}
	return hook.Run("createContainer", r.request.Spec.Hooks.CreateContainer, r.hookState(specs.StateCreated), place)
}

// startContainer runs the hooks for just before the command. They have its rights, and count against the limits of the container.
func (c *Container) startContainer(config *specs.Spec) error {
	tree, err := c.Tree()
	if err != nil {
		return err
	}
	defer tree.Close()
	env, err := environment(config.Process, tree)
	if err != nil {
		return err
	}
	p := &plan{namespaces: &namespace.Set{}}
	defer p.close()
	if err := p.openTasks(c.Cgroup.Tasks()); err != nil {
		return err
	}
	q := &become.Request{Config: config, Process: config.Process, Capabilities: capabilities(config.Process, func(string) {}), Tasks: len(p.orders.Tasks)}
	if config.Linux.Seccomp != nil {
		if q.Filter, err = seccomp.Compile(config.Linux.Seccomp); err != nil {
			return err
		}
	}
	orders := become.Orders{Root: int(tree), Tasks: p.orders.Tasks}
	place := hook.Place{Start: c.starter(q, &orders, c.Cgroup, env)}
	return hook.Run("startContainer", config.Hooks.StartContainer, c.hookState(specs.StateCreated), place)
}

// environment returns the environment of the command with its HOME. The startContainer hooks get the same.
func environment(process *specs.Process, tree rootfs.Root) ([]string, error) {
	proc, err := unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: "/proc", Err: err}
	}
	defer unix.Close(proc)
	env := slices.DeleteFunc(slices.Clone(process.Env), func(variable string) bool { return variable == "HOME=" })
	place := command.Place{Root: tree, Proc: proc}
	if home := place.Home(process.User.UID, env); home != "" {
		env = append(env, home)
	}
	return env, nil
}

// starter returns a function that starts a hook in the namespaces of the container, and in its cgroups if there are some.
func (c *Container) starter(q *become.Request, orders *become.Orders, groups *cgroup.Cgroup, env []string) hook.Start {
	return func(h *specs.Hook, streams [3]*os.File) (hook.Running, error) {
		pidfd, err := c.pidfd()
		if err != nil || pidfd == -1 {
			return nil, errors.Join(err, c.justEnded())
		}
		file := os.NewFile(uintptr(pidfd), "process 1")
		defer file.Close()
		if q.Namespaces, err = namespace.Of(c.Pid, file); err != nil {
			return nil, err
		}
		program, err := become.Hook(q, h, env, groups != nil)
		if err != nil {
			return nil, err
		}
		p := process.Make(false, c.store.warn)
		err = p.Start(program, streams, nil)
		if err == nil && groups != nil {
			err = errors.Join(groups.JoinRest(p.PID), p.Like(c.Pid))
		}
		if err == nil {
			orders.Command = h.Path
			err = p.Order(orders)
		}
		if err == nil {
			err = p.Follow()
		}
		if err != nil {
			p.Kill()
			var failure *process.Failure
			if errors.As(err, &failure) {
				// The status for a command that is not found is not that of a hook.
				err = failure.Err
			}
			return nil, err
		}
		return &p, nil
	}
}
