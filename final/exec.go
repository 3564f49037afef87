//go:build linux

package main

import (
	"fmt"
	"io"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"

	"container-workshop/final/container"
	"container-workshop/final/oci"
	"container-workshop/final/rootfs"
	"container-workshop/final/seccomp"
)

func execute(root string, args []string) (int, error) {
	set := flags("exec", "[flags] ID COMMAND [ARG ...]", "run a command in a container that is running")
	var options oci.ExecOptions
	tty := set.BoolP("tty", "t", false, "a terminal of its own (automatic on a terminal)")
	interactive := set.BoolP("interactive", "i", true, "standard input is the command's")
	set.StringArrayVarP(&options.Env, "env", "e", nil, "set a variable: KEY=VALUE, or KEY for the caller's value")
	set.StringVarP(&options.User, "user", "u", "", "user: name, number, or either with :group")
	set.StringVarP(&options.Workdir, "workdir", "w", "", "working directory")
	if err := parse(set, args, 2, -1); err != nil {
		return container.StatusFailed, err
	}
	if err := container.Seal(); err != nil {
		return container.StatusFailed, err
	}
	console := container.NewConsole(os.Stdin, os.Stdout)
	options.Terminal = *tty
	if !set.Changed("tty") {
		options.Terminal = console.IsTerminal()
	}
	// This may wait for another command, or for the container. Until the command runs a signal ends us, and it with us.
	c, err := container.Open(root, set.Arg(0))
	if err != nil {
		return container.StatusFailed, err
	}
	defer c.Close()
	guard, err := container.StartGuard(console)
	if err != nil {
		return container.StatusFailed, err
	}
	defer guard.Dismiss()
	defer console.Restore()
	streams := [3]*os.File{os.Stdin, os.Stdout, os.Stderr}
	if !*interactive {
		streams[0] = nil
	}
	p, err := join(c, &options, set.Args()[1:], console, streams)
	if err != nil {
		return container.StatusFailed, err
	}
	signals := container.Signals()
	return p.Wait(signals, console), nil
}

// join starts the command. The container is locked until it runs.
func join(c *container.Container, options *oci.ExecOptions, command []string, console *container.Console, streams [3]*os.File) (*container.Process, error) {
	if c.Status != specs.StateRunning {
		return nil, fmt.Errorf("container not running: %s is %s", c.ID, c.Status)
	}
	spec, err := c.Spec()
	if err != nil {
		return nil, err
	}
	tree, err := c.Tree()
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	process, err := oci.Exec(spec, options, command, execHost(tree))
	if err != nil {
		return nil, err
	}
	request := &container.ExecRequest{Process: process, Streams: streams, Size: console.Size()}
	if options.Terminal {
		request.Streams = [3]*os.File{}
	}
	if profile := spec.Linux.Seccomp; profile != nil {
		if request.FilterFlags, err = seccomp.Flags(profile); err != nil {
			return nil, err
		}
		if request.Filter, err = seccomp.Compile(profile); err != nil {
			return nil, err
		}
	}
	return c.Exec(request)
}

func execHost(tree rootfs.Root) *oci.Host {
	return &oci.Host{
		LookupEnv: os.LookupEnv,
		Passwd:    func() (io.ReadCloser, error) { return tree.Reader("/etc/passwd", maxUserFile) },
		Group:     func() (io.ReadCloser, error) { return tree.Reader("/etc/group", maxUserFile) },
	}
}
