//go:build linux

package main

import (
	"fmt"
	"io"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"container-workshop/final/container"
	"container-workshop/final/engine/flags"
	"container-workshop/final/rootfs"
	"container-workshop/final/seccomp"
	"container-workshop/final/spec"
	"container-workshop/final/terminal"
)

// runCommand runs a command in a new container to its end, or detached.
func runCommand(root string, args []string) (int, error) {
	container.Warn = remark
	options, command, err := parseRun(args)
	if err != nil {
		return container.StatusFailed, err
	}
	// Until here a signal ends us: nobody may ever write to a pipe that --env-file names.
	if err := options.ReadEnvFiles(openInput); err != nil {
		return container.StatusFailed, err
	}
	if options.Detach {
		return detach(root, args, options)
	}
	console := terminal.NewConsole(os.Stdin, os.Stdout)
	standing := standBy(console)
	request, err := newRequest(root, options, command, console)
	by := <-standing
	if by.err != nil {
		return container.StatusFailed, by.err
	}
	defer by.guard.Dismiss()
	if err != nil {
		return container.StatusFailed, err
	}
	request.Streams, request.Signals = [3]*os.File{os.Stdin, os.Stdout, os.Stderr}, by.signals
	request.Plain = !console.IsTerminal()
	if err := by.guard.Watch(root, request.ID, console); err != nil {
		return container.StatusFailed, err
	}
	defer console.Restore()

	return runToEnd(root, request, &by, console, func(*container.Process) error { return nil })
}

// runToEnd runs a container to its end, and removes it. ready is called when it has only to be started.
func runToEnd(root string, request *container.Request, by *standby, console *terminal.Console, ready func(*container.Process) error) (int, error) {
	r, err := container.Create(root, request)
	if err != nil {
		return container.StatusFailed, err
	}
	if err := ready(&r.Process); err != nil {
		return container.StatusFailed, joined(err, r.Remove())
	}
	if err := r.Start(); err != nil {
		return container.StatusFailed, joined(err, r.Remove())
	}
	status := r.Wait(by.signals, console)
	err = tooMuchMemory(r, status)
	if request.Keep {
		warnLeft(r.ID, r.Finish(status))
	} else {
		warnLeft(r.ID, r.Remove())
	}
	debug(r.List.Records)
	if request.Explain && !global.debug {
		console.Restore()
		explain(os.Stderr, r.List.Records)
	}
	return status, err
}

// warnLeft tells of what cannot be cleaned up. That is no failure of the command, which has run: its status stays.
func warnLeft(id string, err error) {
	if err == nil {
		return
	}
	message := oneLine(fmt.Sprintf("%v (the command has ended, but this part of its container is left: remove it with %s delete --force %s)", err, name(), id))
	fmt.Fprintf(os.Stderr, "%s: warning: %s\n", name(), message)
	if global.log != "" {
		note("warning", message)
	}
}

// A standby is what has to be there before a container is made.
type standby struct {
	signals *terminal.Signals
	guard   *container.Guard
	err     error
}

// standBy catches signals and gets a guard while others think about the configuration. Signals come first: as soon as there is
// another process, somebody could take it for the command, and send us one.
func standBy(console *terminal.Console) <-chan standby {
	done := make(chan standby, 1)
	go func() {
		by := standby{signals: terminal.CatchSignals()}
		by.guard, by.err = container.StartGuard(console)
		done <- by
	}()
	return done
}

// tooMuchMemory returns an error if that is what a command has been killed for.
func tooMuchMemory(r *container.Run, status int) error {
	if status != 128+int(unix.SIGKILL) {
		return nil
	}
	limit := r.OOM()
	if limit <= 0 {
		return nil
	}
	return &container.Failure{Status: status, Err: fmt.Errorf("killed: the container used more memory than its limit of %s (raise the limit with --memory)", size(limit))}
}

// joined returns the first error if there is one.
func joined(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

// parseRun reads the flags of run, and the command behind them.
func parseRun(args []string) (*flags.Options, []string, error) {
	options := new(flags.Options)
	set := pflag.NewFlagSet("run", pflag.ContinueOnError)
	set.Usage = func() { flags.Usage(os.Stdout) }
	flags.AddFlags(set, options)
	if err := parse(set, args, 0, -1); err != nil {
		return nil, nil, err
	}
	if set.NArg() == 0 {
		return nil, nil, fmt.Errorf("no command: use %s run [flags] COMMAND [ARG ...] (see run --help)", os.Args[0])
	}
	if options.Name == "" {
		id, err := spec.NewID()
		if err != nil {
			return nil, nil, err
		}
		options.Name = id
	}
	return options, set.Args(), nil
}

// newRequest makes a configuration from flags, and refuses what is wrong with it before anything is made.
func newRequest(root string, options *flags.Options, command []string, console *terminal.Console) (*container.Request, error) {
	tree, err := openRootfs(options.Rootfs)
	if err != nil {
		return nil, err
	}
	dir, err := os.Getwd()
	if err != nil {
		// It has been removed. No path below it leads anywhere.
		dir = "/removed working directory"
	}
	host := flags.Host{
		Dir: dir, Terminal: console.IsTerminal(), LookupEnv: os.LookupEnv, Rlimit: rlimit,
		Open:   openInput,
		Stat:   func(name string) (stat unix.Stat_t, err error) { return stat, unix.Stat(name, &stat) },
		Passwd: func() (io.ReadCloser, error) { return tree.Reader("/etc/passwd", maxUserFile) },
		Group:  func() (io.ReadCloser, error) { return tree.Reader("/etc/group", maxUserFile) },
		Etc:    container.FilesDir(options.Name),
	}
	if options.Privileged {
		host.Devices = hostDevices()
	}
	if options.Init && options.Pids < initPids {
		return nil, fmt.Errorf("--init: process 1 needs several threads: use --pids %d or more", initPids)
	}
	spec, err := flags.New(*options, command, host)
	if err != nil {
		return nil, err
	}
	if err := setProfile(options, spec); err != nil {
		return nil, err
	}
	if global.systemdCgroup {
		// It names the unit.
		spec.Linux.CgroupsPath = ""
	}
	request := &container.Request{ID: options.Name, Spec: spec, Root: tree, Overlay: true, Init: options.Init, SystemdCgroup: global.systemdCgroup, Size: console.Size(), Explain: options.Explain, Files: etc(options)}
	return request, complete(request)
}

// rlimit returns a soft limit of ours, and 0 where the kernel has no such limit. Go raises RLIMIT_NOFILE, which nobody asks for here.
func rlimit(number int) uint64 {
	var limit unix.Rlimit
	_ = unix.Getrlimit(number, &limit)
	return limit.Cur
}

// initPids is what --init has room in.
const initPids = 16

// maxUserFile is how long /etc/passwd and /etc/group may be, in bytes.
const maxUserFile = 1 << 20

func setProfile(options *flags.Options, spec *specs.Spec) (err error) {
	if options.Unconfined() {
		return nil
	}
	capabilities := spec.Process.Capabilities.Bounding
	if options.Seccomp != "" {
		spec.Linux.Seccomp, err = seccomp.Load(options.Seccomp, capabilities)
	} else {
		spec.Linux.Seccomp, err = seccomp.Default(capabilities)
	}
	return err
}

// complete checks a configuration, and compiles what has to be.
func complete(request *container.Request) (err error) {
	if err := spec.Validate(request.Spec); err != nil {
		return err
	}
	profile := request.Spec.Linux.Seccomp
	if profile == nil {
		return nil
	}
	if request.FilterFlags, err = seccomp.Flags(profile); err != nil {
		return err
	}
	request.Filter, err = seccomp.Compile(profile)
	return err
}

// openRootfs opens the root file system, once for all that is done with it: its path may lead elsewhere a moment later. It tells a
// missing root file system from a missing command.
func openRootfs(dir string) (rootfs.Root, error) {
	root, err := rootfs.OpenRoot(dir)
	if err == nil && root.IsEmpty() {
		root.Close()
		err = fmt.Errorf("%s is empty", dir)
	}
	if err != nil {
		return -1, fmt.Errorf("no root file system: %w (create one: make rootfs)", err)
	}
	return root, nil
}

// etc are the container's own files in /etc. Its resolv.conf is the host's if it has the host's network.
func etc(options *flags.Options) map[string]string {
	resolv := []byte("# There is no network here but the loopback interface.\n")
	if options.Network == "host" {
		resolv, _ = os.ReadFile("/etc/resolv.conf")
	}
	hosts := "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t" + options.Hostname + "\n"
	return map[string]string{"hostname": options.Hostname + "\n", "hosts": hosts, "resolv.conf": string(resolv)}
}

// size writes bytes as they are written in flags.
func size(bytes int64) string {
	for _, unit := range []struct {
		name  string
		shift uint
	}{{"g", 30}, {"m", 20}, {"k", 10}} {
		if bytes >= 1<<unit.shift && bytes%(1<<unit.shift) == 0 {
			return fmt.Sprintf("%d%s", bytes>>unit.shift, unit.name)
		}
	}
	return fmt.Sprint(bytes)
}
