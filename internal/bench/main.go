//go:build linux

// Command bench times final beside other runtimes, and writes final/BENCHMARKS.md and its plot.
//
//	bench [--runs N] [--quick] [--networks] [--before FILE] [--final FILE] [--steps DIR] [--calls FILE] [--rootfs DIR] [--page FILE] [--plot FILE]
//
// It needs root and a root file system, and takes minutes: make bench builds the programs and starts it. The peers are runc, crun,
// bubblewrap and podman, if they are installed, a program of bare system calls, if there is a C compiler, and with --before an older final.
//
// Everything happens in a mount and a PID namespace of its own, with all files in memory and all cgroups below one name. So whatever
// a runtime leaves behind ends with bench.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

// settings are what the flags say.
type settings struct {
	runs                        int
	quick, networks             bool
	final, before, steps, calls string
	rootfs, page, plot          string
}

func (s *settings) flags() *pflag.FlagSet {
	set := pflag.NewFlagSet("bench", pflag.ExitOnError)
	set.IntVar(&s.runs, "runs", 40, "runs of each row and peer")
	set.BoolVar(&s.quick, "quick", false, "prove that everything works, with few runs: the numbers mean little")
	set.BoolVar(&s.networks, "networks", false, "measure the table of networks alone, and print it instead of writing the page")
	set.StringVar(&s.final, "final", "build/final", "the program")
	set.StringVar(&s.before, "before", "", "an older final, as one more peer")
	set.StringVar(&s.steps, "steps", "build", "folder with the programs of the steps")
	set.StringVar(&s.calls, "calls", "final/bench/calls.c", "the program of bare system calls, in C")
	set.StringVar(&s.rootfs, "rootfs", "/var/lib/container-workshop/rootfs", "root file system of the containers")
	set.StringVar(&s.page, "page", "final/BENCHMARKS.md", "the page to write")
	set.StringVar(&s.plot, "plot", "final/benchmarks.svg", "the plot to write")
	return set
}

func main() {
	var s settings
	args := os.Args[1:]
	inner := ""
	if len(args) > 0 && (args[0] == asSender || args[0] == asReceiver) {
		if err := inContainer(args[0], args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if len(args) > 1 && (args[0] == asInit || args[0] == asWorker) {
		inner, args = args[0], args[1:]
	}
	set := s.flags()
	_ = set.Parse(args)
	var err error
	switch inner {
	case asInit:
		err = isolate(s, set.Arg(0), args)
	case asWorker:
		err = work(s, set.Arg(0))
	default:
		err = start(s, args)
	}
	var status *exec.ExitError
	if errors.As(err, &status) {
		os.Exit(1) // The inner process has said why.
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

// start checks what bench needs, and starts it again in namespaces of its own.
func start(s settings, args []string) (err error) {
	if s.runs < 1 {
		return fmt.Errorf("--runs %d: there must be at least one run", s.runs)
	}
	if os.Geteuid() != 0 {
		return errors.New("containers need root: use sudo")
	}
	if _, err := os.Stat(filepath.Join(s.rootfs, "bin/sleep")); err != nil {
		return fmt.Errorf("no root file system: %w (make rootfs makes it)", err)
	}
	if _, err := os.Stat(s.final); err != nil {
		return fmt.Errorf("no program: %w (go build -o %s ./final builds it)", err, s.final)
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	trees, err := makeCgroups()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeCgroups(trees)) }()
	dir, err := os.MkdirTemp("", "container-workshop-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(dir)) }()
	// If bench ends early, so does process 1 of the namespaces, and with it every process in there: pid_namespaces(7)
	cmd := exec.CommandContext(ctx, "/proc/self/exe", append([]string{asInit, dir}, args...)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID, Pdeathsig: unix.SIGKILL}
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return errors.New("stopped")
		}
		return err
	}
	return nil
}
