//go:build linux

// Final is a container runtime: what the seven steps of the workshop grow up to be.
package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	debuginfo "runtime/debug"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"container-workshop/final/container"
	"container-workshop/final/engine"
	"container-workshop/final/guard"
	"container-workshop/final/process"
	"container-workshop/final/reaper"
	"container-workshop/final/report"
)

// The kernel kills process 1 when the thread that has started it ends. So the first thread starts it, and lives as long as final.
// PR_SET_PDEATHSIG(2const)
func init() { runtime.LockOSThread() }

// A verb is what the first argument names. It gets the arguments after it, and returns the exit status.
type verb struct {
	name, args, about string
	do                func(store *container.Store, args []string) (int, error)
	// failed is the status for a failure of ours. run and exec have one that no command is likely to have.
	failed int
	// runs says that the verb runs a command, and has its status.
	runs bool
	// needs says which rights the verb needs.
	needs need
}

// A need is what a verb needs. An ordinary user gets the rights of root in a user namespace: see package rootless.
type need int

const (
	// root is for what makes a container, and inContainer for what works at the container that the verb opens.
	root need = iota
	inContainer
	// anyone is for what needs nothing but the files of the user.
	anyone
)

var verbs = []verb{
	{"run", "[flags] COMMAND [ARG ...]", "run a command in a new container", runCommand, process.StatusFailed, true, root},
	{"plan", "[flags] COMMAND [ARG ...]", planAbout, plan, 1, false, root},
	{"exec", "[flags] ID COMMAND [ARG ...]", "run a command in a running container", execute, 255, true, inContainer},
	{"list", "[flags]", "list containers", list, 1, false, anyone},
	{"state", "ID", "print the state of a container as JSON", state, 1, false, anyone},
	{"ps", "[flags] ID [OPTION ...]", "list the processes of a container", ps, 1, false, anyone},
	{"logs", "[flags] ID", "print the output of a detached container", showLogs, 1, false, anyone},
	{"port", "ID [PORT[/udp]]", "print the published ports of a container", port, 1, false, anyone},
	{"kill", "[--all] ID [SIGNAL]", "send a signal to a container (default: TERM)", kill, 1, false, inContainer},
	{"delete", "[--force] ID", "delete a container that has ended", remove, 1, false, inContainer},
	{"pause", "ID", "pause the processes of a container", pause, 1, false, inContainer},
	{"resume", "ID", "resume the processes of a paused container", resume, 1, false, inContainer},
	{"diff", diffArgs, diffAbout, diff, 1, false, root},
	{"commit", commitArgs, commitAbout, commitImage, 1, false, root},
	{"update", "[flags] ID", "change the limits of a container", update, 1, false, inContainer},
	{"network", "create|list|inspect|remove", "create, list and remove networks of containers", networks, 1, false, root},
	{"events", "[flags] ID", "print the resource usage of a container", events, 1, false, anyone},
	{"spec", "[flags]", "write a sample config.json", writeSpec, 1, false, anyone},
	{"create", "[flags] ID", "create a container from a bundle", create, 1, false, root},
	{"start", "ID", "start the command of a created container", startHeld, 1, false, inContainer},
	{"features", "", "print the features of this runtime as JSON", features, 1, false, anyone},
	{"checkpoint", "ID", "not supported", unsupported("checkpoint"), 1, false, anyone},
	{"restore", "ID", "not supported", unsupported("restore"), 1, false, anyone},
}

func main() {
	os.Exit(Main(os.Args[1:]))
}

// Main runs the program with arguments and returns its exit status.
func Main(args []string) int {
	takeTurns()
	// final starts itself with these words, so no help names them.
	if len(args) == 1 && args[0] == "guard" {
		return ended(0, guard.WatchOver(&container.Store{Release: engine.Release, Unplug: engine.Unplug}))
	}
	if len(args) == 2 && args[0] == "monitor" {
		return ended(engine.WakeMonitor(&container.Store{Warn: global.log.Warn, Release: engine.Release, Unplug: engine.Unplug}))
	}
	if len(args) > 0 && args[0] == "init" {
		return reaper.Main(args[1:])
	}
	calmRuntime()
	// Files and directories get exactly the modes that final names.
	unix.Umask(0o022)
	inherited = leftOpen()
	// What the caller has left open is not for the container, nor for what stays with it. CVE-2024-21626
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	store := &container.Store{Root: stateRoot(), Warn: global.log.Warn, Tell: global.log.Remark, Release: engine.Release, Unplug: engine.Unplug, Abandoned: engine.Abandoned}
	set := globalFlags(&store.Root)
	err := set.Parse(args)
	global.rootSaid, global.log.File = set.Changed("root"), logFile(global.log.File)
	failed := process.StatusFailed
	if standsIn() {
		failed = 1
	}
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return 0
	case err != nil:
		return ended(failed, fmt.Errorf("%w (see --help)", err))
	case global.version:
		fmt.Printf("%s version %s\ncommit: %s\nspec: %s\n", report.Name(), version(), commit(), specs.Version)
		return 0
	case set.NArg() == 0:
		return ended(failed, fmt.Errorf("no command: use %s run %s (or see --help)", os.Args[0], verbOf("run", nil).args))
	}
	v := verbOf(set.Arg(0), set.Args()[1:])
	switch {
	case v != nil:
		return ended(v.call(store, set.Args()[1:]))
	case set.Arg(0) == "monitor":
		return ended(engine.Monitor(store))
	case standsIn():
		return ended(failed, fmt.Errorf("unknown command: No help topic for '%s' (see --help)", set.Arg(0)))
	}
	return ended(failed, unknown(set.Arg(0), os.Args[0]))
}

// inherited is how many descriptors the caller has left open for final, from 3 on.
var inherited int

// leftOpen counts the descriptors from 3 on that stay open at execve. Those that final has opened itself do not. fcntl(2)
func leftOpen() int {
	for fd := 3; ; fd++ {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC != 0 {
			return fd - 3
		}
	}
}

// global has the flags before the verb.
var global struct {
	log           report.Log
	rootless      string
	systemdCgroup bool
	version       bool
	// cgroupManager is another word for systemdCgroup.
	cgroupManager string
	// rootSaid says that the caller has named the directory of all state.
	rootSaid bool
}

// globalFlags makes the set of the flags before the verb.
func globalFlags(root *string) *pflag.FlagSet {
	set := pflag.NewFlagSet("final", pflag.ContinueOnError)
	set.SetInterspersed(false)
	set.Usage = func() { usage(set) }
	set.StringVar(root, "root", *root, "keep the state of containers in `DIR`")
	set.StringVar(&global.log.File, "log", "", "also write errors and warnings to `FILE`")
	set.StringVar(&global.log.Format, "log-format", "text", "log `FORMAT`: text or json")
	set.BoolVar(&global.log.Debug, "debug", false, "also log what final does")
	set.BoolVar(&global.systemdCgroup, "systemd-cgroup", false, "let systemd make the cgroups; linux.cgroupsPath is SLICE:PREFIX:NAME")
	set.StringVar(&global.rootless, "rootless", "auto", "`MODE` of the user namespace that final makes, to be root in it: true,\nfalse (none: needs root), or auto (one if you are not root)")
	set.BoolVarP(&global.version, "version", "v", false, "print the version")
	addOthersFlags(set)
	return set
}

// verbOf returns the verb that a name and the arguments after it stand for, or nil.
func verbOf(name string, args []string) *verb {
	if name == "run" {
		if v := bundleRun(args); v != nil {
			return v
		}
	}
	all := allVerbs()
	if i := slices.IndexFunc(all, func(v verb) bool { return v.name == name }); i != -1 {
		return &all[i]
	}
	return nil
}

// call calls a verb. If final fails, the exit status is that of the verb. For run and exec it is 126 if the command cannot be executed, and 127
// if the command does not exist. runc and crun do not tell these two apart.
func (v *verb) call(store *container.Store, args []string) (int, error) {
	status, err := v.try(store, args)
	var failure *process.Failure
	switch {
	case err == nil:
	case v.runs && errors.As(err, &failure) && failure.Status != process.StatusFailed && !(standsIn() && failure.Status < 128):
		status = failure.Status
	case status == 0 || status == process.StatusFailed:
		status = v.failed
	}
	return status, err
}

func (v *verb) try(store *container.Store, args []string) (int, error) {
	if !slices.Contains([]string{"true", "false", "auto"}, global.rootless) {
		return process.StatusFailed, fmt.Errorf("--rootless %q: must be true, false or auto", global.rootless)
	}
	if err := checkManager(); err != nil {
		return process.StatusFailed, err
	}
	if err := global.log.Check(); err != nil {
		return process.StatusFailed, err
	}
	root, err := filepath.Abs(store.Root)
	if err != nil {
		return process.StatusFailed, err
	}
	store.Root = root
	// Help is for all.
	if !(len(args) > 0 && slices.Contains([]string{"--help", "-h"}, args[0])) {
		if err := v.prepareUser(store, args); err != nil {
			return process.StatusFailed, err
		}
	}
	return v.do(store, args)
}

// commit is the revision that was built, if the build knows it.
func commit() string {
	if info, ok := debuginfo.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				return setting.Value
			}
		}
	}
	return "unknown"
}

// version is the version of the module. A build from a working copy has none.
func version() string {
	if info, ok := debuginfo.ReadBuildInfo(); ok && strings.HasPrefix(info.Main.Version, "v") {
		return strings.TrimPrefix(info.Main.Version, "v")
	}
	return "0.0.0"
}

// ended prints an error, and returns the exit status.
func ended(status int, err error) int {
	if errors.Is(err, pflag.ErrHelp) {
		return 0
	}
	if err == nil {
		return status
	}
	if status == 0 {
		status = process.StatusFailed
	}
	global.log.Error(err)
	return status
}

func usage(global *pflag.FlagSet) {
	fmt.Printf("NAME:\n   %s - Open Container Initiative runtime\n\nUSAGE:\n   %[1]s [flags] COMMAND ...\n\nCOMMANDS:\n", report.Name())
	for _, v := range allVerbs() {
		fmt.Printf("   %-10s %-29s %s\n", v.name, verbOf(v.name, nil).args, verbOf(v.name, nil).about)
	}
	fmt.Printf("\nFLAGS:\n%s\nEach command has its own --help.\n", global.FlagUsages())
}

// flagSet makes the set of flags of a verb. They may stand behind the ID.
func flagSet(verb, args, about string) *pflag.FlagSet {
	set := pflag.NewFlagSet(verb, pflag.ContinueOnError)
	set.Usage = func() {
		fmt.Printf("NAME:\n   %s %s - %s\n\nUSAGE:\n   %s\n", report.Name(), verb, about, strings.TrimSpace(report.Name()+" "+verb+" "+args))
		if set.HasFlags() {
			fmt.Printf("\nFLAGS:\n%s", set.FlagUsages())
		}
	}
	return set
}

// parse parses the flags of a verb, and refuses fewer arguments than least or more than most. -1 is any number.
func parse(set *pflag.FlagSet, args []string, least, most int) error {
	err := set.Parse(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return err
	case err != nil:
		return fmt.Errorf("%w (see %s %s --help)", err, report.Name(), set.Name())
	case set.NArg() < least || most >= 0 && set.NArg() > most:
		return fmt.Errorf("%s: wrong number of arguments (see %s %[1]s --help)", set.Name(), report.Name())
	}
	return nil
}
