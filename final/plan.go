//go:build linux

package main

import (
	"cmp"
	"errors"
	"os"

	"github.com/spf13/pflag"

	"container-workshop/final/container"
	"container-workshop/final/engine"
	"container-workshop/final/engine/flags"
	"container-workshop/final/process"
	"container-workshop/final/spec"
	"container-workshop/final/terminal"
)

const planAbout = "print the system calls of process 1, and make none"

// plan prints the system calls that process 1 of a container would make, for the arguments of run. It makes nothing and starts no process.
func plan(store *container.Store, args []string) (int, error) {
	store.Warn = global.log.Remark
	request, err := planned(store, args)
	if err != nil {
		return process.StatusFailed, err
	}
	request.Streams = [3]*os.File{os.Stdin, os.Stdout, os.Stderr}
	// Process 1 asks for the time only to explain itself.
	request.Explain = false
	return 0, store.Plan(request, os.Stdout)
}

// planned reads the arguments of run: flags and a command, or a bundle and perhaps an ID.
func planned(store *container.Store, args []string) (*container.Request, error) {
	var b bundleRunning
	set := b.flags()
	set.Init("plan", pflag.ContinueOnError)
	set.SetInterspersed(false)
	set.Usage = func() {}
	err := set.Parse(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		usage := flagSet("plan", "[flags] COMMAND [ARG ...] | --bundle DIR [ID]", planAbout)
		usage.Usage()
		_, _ = os.Stdout.WriteString("\nThe flags are those of run: see run --help, and run --bundle DIR --help.\n")
		return nil, err
	case standsIn() || set.Changed("bundle"):
		if err := parse(set, args, 0, 1); err != nil {
			return nil, err
		}
		request, err := b.request(cmp.Or(set.Arg(0), "plan"))
		if err == nil {
			request.Held, request.Pauses = b.detach, !b.detach && b.pauses()
		}
		return request, err
	}
	options, command, err := flags.ParseRun(args)
	if err != nil {
		return nil, err
	}
	if err := options.ReadEnvFiles(spec.OpenInput); err != nil {
		return nil, err
	}
	request, err := engine.MakeRequest(store, options, command, terminal.NewConsole(os.Stdin, os.Stdout), global.systemdCgroup)
	if err == nil {
		request.Detached = options.Detach
	}
	return request, err
}
