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
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"container-workshop/final/container"
	"container-workshop/final/inside"
)

// Process 1 ends with the thread of ours that starts it, and the container side has to become the command on its first
// thread: so neither of them changes threads. PR_SET_PDEATHSIG(2const)
func init() { runtime.LockOSThread() }

// A verb is what the first argument names. It gets the arguments after it, and returns the exit status.
type verb struct {
	name, args, about string
	do                func(root string, args []string) (int, error)
}

var verbs = []verb{
	{"run", "[flags] COMMAND [ARG ...]", "run a command in a new container", runCommand},
	{"exec", "[flags] ID COMMAND [ARG ...]", "run a command in a running container", execute},
	{"list", "", "list the containers", list},
	{"state", "ID", "print the state of a container, as JSON", state},
	{"ps", "ID", "list the processes of a container", ps},
	{"logs", "ID", "print the output of a detached container", logs},
	{"kill", "ID [SIGNAL]", "send a signal, TERM by default", kill},
	{"delete", "[--force] ID", "remove a container that has ended", remove},
}

func main() {
	os.Exit(Main(os.Args[1:]))
}

// Main runs the program with arguments and returns its exit status.
func Main(args []string) int {
	// These are ours alone, and so in no list.
	if len(args) == 1 && args[0] == "inside" {
		return inside.Main()
	}
	if len(args) == 1 && args[0] == "guard" {
		return report(0, container.WatchOver())
	}
	if len(args) > 0 && args[0] == "init" {
		return inside.Init(args[1:])
	}
	// What we make has the mode that we say.
	unix.Umask(0o022)
	// What the caller has left open is not for the container, nor for what stays with it. CVE-2024-21626
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	root := container.DefaultRoot
	global := pflag.NewFlagSet("final", pflag.ContinueOnError)
	global.SetInterspersed(false)
	global.Usage = func() { usage(global) }
	global.StringVar(&root, "root", root, "where the state of containers is")
	status, err := container.StatusFailed, global.Parse(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return 0
	case err != nil:
		err = fmt.Errorf("%w (see --help)", err)
	case global.NArg() == 0:
		err = fmt.Errorf("no command: want %s run [flags] COMMAND [ARG ...] (or see --help)", os.Args[0])
	default:
		if root, err = filepath.Abs(root); err == nil {
			status, err = dispatch(root, global.Args())
		}
	}
	return report(status, err)
}

func dispatch(root string, args []string) (int, error) {
	for _, v := range verbs {
		if v.name != args[0] {
			continue
		}
		// Help is for all.
		if os.Geteuid() != 0 && !(len(args) > 1 && slices.Contains([]string{"--help", "-h"}, args[1])) {
			return container.StatusFailed, errors.New("a container needs root: use sudo")
		}
		return v.do(root, args[1:])
	}
	if args[0] == "monitor" {
		return monitor(root, args[1:])
	}
	return container.StatusFailed, fmt.Errorf("unknown command %q: want %s run [flags] COMMAND [ARG ...] (or see --help)", args[0], os.Args[0])
}

// report prints an error, which is one line, and returns the exit status that goes with it.
func report(status int, err error) int {
	if errors.Is(err, pflag.ErrHelp) {
		return 0
	}
	if err == nil {
		return status
	}
	var failure *container.Failure
	if errors.As(err, &failure) {
		status = failure.Status
	} else if status == 0 {
		status = container.StatusFailed
	}
	message := strings.ReplaceAll(err.Error(), "\n", "; ")
	fmt.Fprintf(os.Stderr, "%s: %s\n", filepath.Base(os.Args[0]), message)
	return status
}

func usage(global *pflag.FlagSet) {
	fmt.Printf("Usage: %s [--root DIR] COMMAND ...\n\nCommands:\n", os.Args[0])
	for _, v := range verbs {
		fmt.Printf("  %-6s %-29s %s\n", v.name, v.args, v.about)
	}
	fmt.Printf("\nFlags:\n%s\nEach command has --help.\n", global.FlagUsages())
}

// flags makes the set of flags of a verb.
func flags(name, args, about string) *pflag.FlagSet {
	set := pflag.NewFlagSet(name, pflag.ContinueOnError)
	set.SetInterspersed(false)
	set.Usage = func() {
		fmt.Printf("Usage: %s %s %s\n\n%s.\n", os.Args[0], name, args, strings.ToUpper(about[:1])+about[1:])
		if set.HasFlags() {
			fmt.Printf("\nFlags:\n%s", set.FlagUsages())
		}
	}
	return set
}

// parse parses the arguments of a verb that wants some, and no more than most unless that is -1.
func parse(set *pflag.FlagSet, args []string, least, most int) error {
	err := set.Parse(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return err
	case err != nil:
		return fmt.Errorf("%w (see %s --help)", err, set.Name())
	case set.NArg() < least || most >= 0 && set.NArg() > most:
		return fmt.Errorf("%s: wrong number of arguments (see %s --help)", set.Name(), set.Name())
	}
	return nil
}
