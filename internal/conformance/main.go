//go:build linux

// Command conformance runs the validation suite of runtime-tools against an OCI runtime.
//
//	conformance [--runtime FILE] [--table FILE] [--only NAME] [--timeout TIME] [--suite DIR] [--verbose]
//	conformance --build [--suite DIR]
//	conformance --list
//
// It prints a line for each program of the suite. With --table, it also writes a section of a page: the programs that a runtime
// must pass, and why it need not pass the others.
//
// The exit status is 0 if every program passes that must pass, 1 if one fails, and 2 if the suite could not run. --build only builds
// the suite, which needs no root. --list prints what is expected of each program.
//
// The workshop does not depend on the suite: this command downloads it as a module and builds it in a folder of its own. The programs
// make containers, cgroups, mounts and device nodes, so each program runs in its own namespaces and cgroups, which end with it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == isolated {
		inside(os.Args[2:])
	}
	runtime := pflag.String("runtime", "build/final", "the runtime to be tested")
	table := pflag.String("table", "", "page to write the table into, as Markdown")
	only := pflag.StringSlice("only", nil, "run these programs, and no other")
	onlyBuild := pflag.Bool("build", false, "build the suite if it is not there, and run nothing")
	list := pflag.Bool("list", false, "print the programs, and what is expected of them")
	timeout := pflag.Duration("timeout", time.Minute, "time that a program may take")
	suite := pflag.String("suite", "build/conformance", "folder in which the suite is built, once")
	verbose := pflag.BoolP("verbose", "v", false, "print what the programs print")
	pflag.Parse()
	if *list {
		printExpected(os.Stdout)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	if *onlyBuild {
		_, err := getSuite(ctx, *suite)
		exitIf(err)
		return
	}
	r := runner{timeout: *timeout, verbose: *verbose}
	results, err := r.prepareAndRun(ctx, *runtime, *suite, *only, *table)
	exitIf(err)
	if !summarize(os.Stdout, results) {
		os.Exit(1)
	}
}

func exitIf(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "conformance: %v\n", err)
		os.Exit(2)
	}
}

// prepareAndRun gets the suite, runs its programs, or only some of them, and writes the table.
func (r runner) prepareAndRun(ctx context.Context, runtime, suite string, only []string, table string) ([]result, error) {
	if table != "" && only != nil {
		return nil, errors.New("--table with --only: the table is about all programs; leave one of the two out")
	}
	if os.Geteuid() != 0 {
		return nil, errors.New("containers need root: use sudo")
	}
	programs, err := chosen(only)
	if err != nil {
		return nil, err
	}
	// The programs run in another folder, so they need an absolute path.
	if r.runtime, err = exec.LookPath(runtime); err != nil {
		return nil, fmt.Errorf("no runtime: %w", err)
	}
	if r.runtime, err = filepath.Abs(r.runtime); err != nil {
		return nil, err
	}
	if r.suite, err = getSuite(ctx, suite); err != nil {
		return nil, err
	}
	if r.hierarchies, err = findHierarchies(); err != nil {
		return nil, fmt.Errorf("cgroups: %w", err)
	}
	results, err := r.run(ctx, programs)
	if err != nil {
		return nil, err
	}
	if table != "" {
		err = write(table, results)
	}
	return results, err
}
