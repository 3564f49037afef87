//go:build linux

package main

import (
	"cmp"
	"os"

	"container-workshop/final/container"
	"container-workshop/final/engine"
	"container-workshop/final/engine/flags"
	"container-workshop/final/guard"
	"container-workshop/final/process"
	"container-workshop/final/report"
	"container-workshop/final/spec"
	"container-workshop/final/terminal"
)

// runCommand runs a command in a new container to its end, or detached.
func runCommand(store *container.Store, args []string) (int, error) {
	store.Warn, store.Tell, store.Asked = global.log.Remark, global.log.Warn, engine.InFlags(global.log.Warn)
	options, command, err := flags.ParseRun(args)
	if err != nil {
		return process.StatusFailed, err
	}
	// Until here a signal ends us: nobody may ever write to a pipe that --env-file names.
	if err := options.ReadEnvFiles(spec.OpenInput); err != nil {
		return process.StatusFailed, err
	}
	if options.Detach {
		return engine.Detach(store, args, options, global.systemdCgroup)
	}
	console := terminal.NewConsole(os.Stdin, os.Stdout)
	standing := guard.StandBy(console)
	request, err := engine.MakeRequest(store, options, command, console, global.systemdCgroup)
	by := <-standing
	if by.Err != nil {
		return process.StatusFailed, by.Err
	}
	defer by.Guard.Dismiss()
	if err != nil {
		return process.StatusFailed, err
	}
	request.Plain = !console.IsTerminal()
	status, err := runToEnd(store, request, &by, console, func(*process.Process) error { return nil })
	return status, engine.Suggest(options, command, request.Spec.Mounts, err)
}

// runToEnd runs a container to its end, and removes it. ready is called when the container is made and waits for Start.
func runToEnd(store *container.Store, request *container.Request, by *guard.Standby, console *terminal.Console, ready func(*process.Process) error) (int, error) {
	request.Streams, request.Signals = [3]*os.File{os.Stdin, os.Stdout, os.Stderr}, by.Signals
	if err := by.Guard.Watch(store.Root, request.ID, console); err != nil {
		return process.StatusFailed, err
	}
	defer console.Restore()
	r, err := store.Create(request)
	if err != nil {
		return process.StatusFailed, err
	}
	if err := ready(&r.Process); err != nil {
		return process.StatusFailed, cmp.Or(err, r.Remove())
	}
	if err := r.Start(); err != nil {
		return process.StatusFailed, cmp.Or(err, r.Remove())
	}
	status := r.Wait(by.Signals, console)
	err = r.OOM(status)
	if request.Keep {
		global.log.Left(r.ID, r.Finish(status))
	} else {
		global.log.Left(r.ID, r.Remove())
	}
	global.log.Calls(r.List.Records)
	if request.Explain && !global.log.Debug {
		console.Restore()
		report.Explain(os.Stderr, r.List.Records)
	}
	return status, err
}
