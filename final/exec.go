//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"

	"container-workshop/final/container"
	"container-workshop/final/engine/flags"
	"container-workshop/final/guard"
	"container-workshop/final/process"
	"container-workshop/final/rootfs"
	"container-workshop/final/seccomp"
	"container-workshop/final/spec"
	"container-workshop/final/terminal"
)

// An execution has the flags and the arguments of exec.
type execution struct {
	options flags.ExecOptions
	// bundle has the flags that create has, too.
	bundle
	process                           string
	cgroups                           []string
	detach, interactive, ignorePaused bool
	ttySaid                           bool
	command                           []string
	// loaded is the process in the file of --process.
	loaded *specs.Process
	// signals are for a command that is not detached.
	signals *terminal.Signals
}

func parseExec(args []string) (id string, e *execution, err error) {
	e = new(execution)
	set := flagSet("exec", "[flags] ID COMMAND [ARG ...]", "run a command in a running container")
	flags.AddExecFlags(set, &e.options)
	set.BoolVarP(&e.interactive, "interactive", "i", true, "pass standard input to the command")
	set.BoolVarP(&e.detach, "detach", "d", false, "return as soon as the command runs")
	set.StringVarP(&e.process, "process", "p", "", "JSON `FILE` with the process, as in the OCI specification, in place of COMMAND")
	set.StringVar(&e.pidFile, "pid-file", "", "write the PID of the command to `FILE`")
	set.StringVar(&e.consoleSocket, "console-socket", "", "send the terminal to this Unix `SOCKET`")
	set.StringVar(&e.pidfdSocket, "pidfd-socket", "", "send a pidfd of the command to this Unix `SOCKET`")
	set.StringArrayVar(&e.cgroups, "cgroup", nil, "cgroup `[CONTROLLER:]PATH` for the command, below the container's")
	set.IntVar(&e.preserveFDs, "preserve-fds", 0, "pass `N` open descriptors to the command, from 3 on")
	set.BoolVar(&e.ignorePaused, "ignore-paused", false, "if the container is paused, wait until somebody resumes it")
	if err := parse(set, args, 1, -1); err != nil {
		return "", nil, err
	}
	e.command, e.ttySaid = set.Args()[1:], set.Changed("tty")
	switch {
	case e.process == "" && len(e.command) == 0:
		return "", nil, errors.New("exec: no command: use final exec ID COMMAND, or final exec --process FILE ID (see final exec --help)")
	case e.process != "" && len(e.command) > 0:
		return "", nil, errors.New("exec: --process already has a command: leave out the command after the ID")
	}
	return set.Arg(0), e, nil
}

func execute(store *container.Store, args []string) (int, error) {
	id, e, err := parseExec(args)
	if err != nil {
		return process.StatusFailed, err
	}
	if e.process == "" {
		store.Warn = global.log.Remark
	}
	// Reading a file may wait, so final does not have the lock of the container yet.
	if err := e.load(); err != nil {
		return process.StatusFailed, err
	}
	console := terminal.NewConsole(os.Stdin, os.Stdout)
	if !e.ttySaid && !e.detach && e.process == "" {
		e.options.Terminal = console.IsTerminal()
	}
	if e.detach {
		return e.leave(store, id, console)
	}
	// The next calls may wait for another final, or for the container. Until the command runs, a signal ends final, and then the kernel ends the
	// command.
	e.signals = terminal.CatchSignals()
	c, err := store.Open(id)
	if err != nil {
		return process.StatusFailed, err
	}
	defer c.Close()
	if console.IsTerminal() {
		// If somebody kills final, the kernel ends the command. Only the settings of the terminal need a guard.
		watcher, err := guard.Start(console)
		if err != nil {
			return process.StatusFailed, err
		}
		defer watcher.Dismiss()
	}
	defer console.Restore()
	p, err := e.run(c, console)
	if err != nil {
		return process.StatusFailed, err
	}
	return p.Wait(e.signals, console), nil
}

// leave starts the command, and does not wait for its end.
func (e *execution) leave(store *container.Store, id string, console *terminal.Console) (int, error) {
	c, err := store.Open(id)
	if err != nil {
		return process.StatusFailed, err
	}
	defer c.Close()
	if _, err := e.run(c, console); err != nil {
		return process.StatusFailed, err
	}
	return 0, nil
}

// run starts the command, and hands over its terminal, its pidfd and its PID.
func (e *execution) run(c *container.Container, console *terminal.Console) (*process.Process, error) {
	p, err := e.exec(c, console)
	if err != nil {
		return nil, err
	}
	if err := e.handOver(p); err != nil {
		p.Kill()
		return nil, err
	}
	global.log.Calls(p.List.Records)
	return p, nil
}

// exec starts the command. The container stays locked until the new process is on its way.
func (e *execution) exec(c *container.Container, console *terminal.Console) (*process.Process, error) {
	paused := c.Status == container.StatePaused
	if paused && !e.ignorePaused {
		return nil, fmt.Errorf("cannot exec in a paused container: %s (resume it, or use --ignore-paused)", c.ID)
	}
	if c.Status != specs.StateRunning && c.Status != specs.StateCreated && !paused {
		return nil, fmt.Errorf("container not running: %s is %s", c.ID, c.Status)
	}
	spec, err := c.Spec()
	if err != nil {
		return nil, err
	}
	process, err := e.newProcess(c, spec)
	if err != nil {
		return nil, err
	}
	if err := c.CheckUser(process.User); err != nil {
		return nil, fmt.Errorf("%s: %w", e.userSaidBy(), err)
	}
	request := &container.ExecRequest{Process: process, Size: console.Size(), Detached: e.detach, Signals: e.signals, Cgroups: e.cgroups, Explain: global.log.Debug}
	// If the terminal goes to a socket, whoever gets it sets it up.
	request.Plain = e.consoleSocket == "" && !console.IsTerminal()
	if request.Extra, err = preserved(e.preserveFDs); err != nil {
		return nil, err
	}
	if !process.Terminal {
		request.Streams = [3]*os.File{os.Stdin, os.Stdout, os.Stderr}
		if !e.interactive {
			request.Streams[0] = nil
		}
	}
	if e.detach || e.consoleSocket != "" {
		if err := checkConsole(process, e.consoleSocket); err != nil {
			return nil, err
		}
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

// load reads the file of --process.
func (e *execution) load() error {
	if e.process == "" {
		return nil
	}
	file, err := spec.OpenInput(e.process)
	if err != nil {
		return fmt.Errorf("--process: %w", err)
	}
	defer file.Close()
	if e.loaded, err = spec.LoadProcess(file); err != nil {
		return fmt.Errorf("%s: %w", e.process, err)
	}
	e.loaded.Terminal = e.loaded.Terminal || e.options.Terminal
	return nil
}

// newProcess returns the process of --process, or else the container's first process with the changes that the flags ask for.
func (e *execution) newProcess(c *container.Container, spec *specs.Spec) (*specs.Process, error) {
	if e.loaded != nil {
		return e.loaded, nil
	}
	tree, err := c.Tree()
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	return flags.Exec(spec, &e.options, e.command, execHost(tree))
}

// userSaidBy names the flag or the field that has chosen the user of the command.
func (e *execution) userSaidBy() string {
	switch {
	case e.loaded != nil:
		return "process.user"
	case e.options.User != "":
		return "--user " + e.options.User
	case len(e.options.Groups) > 0:
		return "--additional-gids"
	}
	return "exec"
}

func execHost(tree rootfs.Root) *flags.Host {
	return &flags.Host{
		LookupEnv: os.LookupEnv,
		Read:      func(name string) ([]byte, error) { return tree.ReadFile(name, spec.MaxRecords) },
	}
}
