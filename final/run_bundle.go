//go:build linux

package main

import (
	"cmp"
	"os"

	"github.com/spf13/pflag"

	"container-workshop/final/container"
	"container-workshop/final/guard"
	"container-workshop/final/process"
	"container-workshop/final/terminal"
)

// A bundleRunning has the flags of run --bundle.
type bundleRunning struct {
	bundle
	detach, keep bool
}

func (b *bundleRunning) flags() *pflag.FlagSet {
	set := flagSet("run", "[flags] ID", "run a container from a bundle")
	b.addFlags(set)
	set.BoolVarP(&b.detach, "detach", "d", false, "return as soon as the container runs")
	set.BoolVar(&b.keep, "keep", false, "keep the container when it has ended, until delete")
	set.Bool("no-subreaper", false, "ignored: final is never a subreaper")
	return set
}

// bundleRun returns the verb run for a bundle, or nil if the arguments are those of run COMMAND: --bundle must stand before the ID. A link
// named runc or crun always runs a bundle.
func bundleRun(args []string) *verb {
	var b bundleRunning
	set := b.flags()
	usage := set.Usage
	set.Usage = func() {}
	set.SetInterspersed(false)
	wrong := set.Parse(args)
	if !standsIn() && !set.Changed("bundle") {
		return nil
	}
	do := func(store *container.Store, args []string) (int, error) {
		// Flags may stand behind the ID, too.
		set.SetInterspersed(true)
		set.Usage = usage
		rest := set.Args()
		if wrong != nil {
			// The second time, parse says what is wrong.
			rest = args
		}
		if err := parse(set, rest, 1, 1); err != nil {
			return process.StatusFailed, err
		}
		if b.detach {
			return detachBundle(store, set.Arg(0), &b.bundle)
		}
		return b.run(store, set.Arg(0))
	}
	return &verb{"run", "[flags] ID", "run a container from a bundle", do, 1, true, root}
}

// run creates and starts the container, waits for the end of its command, and removes it.
func (b *bundleRunning) run(store *container.Store, id string) (int, error) {
	request, err := b.request(id)
	if err != nil {
		return process.StatusFailed, err
	}
	if b.consoleSocket != "" {
		if err := checkConsole(request.Spec.Process, b.consoleSocket); err != nil {
			return process.StatusFailed, err
		}
	}
	console := terminal.NewConsole(os.Stdin, os.Stdout)
	request.Keep, request.Size = b.keep, console.Size()
	request.Pauses = b.pauses()
	// If the terminal goes to a socket, whoever gets it sets it up.
	request.Plain = b.consoleSocket == "" && !console.IsTerminal()
	by := guard.StandByNow(console)
	if by.Err != nil {
		return process.StatusFailed, by.Err
	}
	defer by.Guard.Dismiss()
	return runToEnd(store, request, &by, console, b.handOver)
}

// pauses reports whether run has something to do for its caller before the command runs.
func (b *bundle) pauses() bool {
	return b.pidFile != "" || b.consoleSocket != "" || b.pidfdSocket != ""
}

// detachBundle leaves the container to whoever becomes the parent of its process 1. PR_SET_CHILD_SUBREAPER(2const)
func detachBundle(store *container.Store, id string, b *bundle) (int, error) {
	r, err := b.makeHeld(store, id)
	if err != nil {
		return process.StatusFailed, err
	}
	if err := store.Start(id); err != nil {
		return process.StatusFailed, cmp.Or(err, r.Remove())
	}
	return 0, nil
}
