//go:build linux

// Command check examines a program of a learner and prints what it finds, for another program to read.
//
//	check --step N [--all] [--stretch] [--trace] [--rootfs DIR] PROGRAM
//
// Each line is a JSON object. It is a check.Finding for each property, and a check.Summary at the end. Without --all, check
// looks at the properties of step N, after a quick look at the older ones. With --stretch it looks at the exercises beyond
// step N. It exits with 0 if the program has all the properties, 1 if one is missing, and 2, with a message on standard error,
// if it cannot check anything.
//
// The program runs in namespaces made for the examination, and what it writes is thrown away: see check.Guard and check.Examine. If check is
// cancelled, it exits with 3.
//
// With --trace, check runs /bin/true in a container of the program, and prints the kernel calls that make the container: each line
// is a trace.Call. Then check exits with 0 even if the program failed.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/pflag"

	"container-workshop/internal/check"
)

func main() {
	step := pflag.Int("step", 0, "the step that the program is, 1 to 7")
	all := pflag.Bool("all", false, "check the older steps as thoroughly as this one")
	stretch := pflag.Bool("stretch", false, "check the exercises beyond the step, and nothing else")
	calls := pflag.Bool("trace", false, "print the kernel calls that make a container, and check nothing")
	attended := pflag.Bool("attended", false, "end when standard input ends")
	rootfs := pflag.String("rootfs", check.DefaultRootfs, "root directory of the containers")
	pflag.Parse()
	check.Patience = 4 * time.Second
	program := &check.Program{Path: pflag.Arg(0), Step: *step, Rootfs: *rootfs}
	status, err := 0, possible(program)
	switch {
	case err != nil:
	case !check.Guarded():
		status, err = check.Guard(*attended)
	case *calls:
		err = printCalls(program)
	default:
		status, err = examine(program, *all, *stretch)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "check: %v\n", err)
		status = 2
	}
	os.Exit(status)
}

// examine prints what it finds. It returns 1 if anything is missing.
func examine(program *check.Program, all, stretch bool) (status int, err error) {
	if err := check.Settle(); err != nil {
		return 0, err
	}
	lines := json.NewEncoder(os.Stdout)
	report := func(f check.Finding) {
		if f.State != check.Has {
			status = 1
		}
		lines.Encode(f)
	}
	var summary check.Summary
	if stretch {
		summary, err = check.ExamineStretch(program, report)
	} else {
		summary, err = check.Examine(program, all, report)
	}
	if err != nil {
		return 0, err
	}
	return status, lines.Encode(summary)
}

func printCalls(program *check.Program) error {
	if err := check.Settle(); err != nil {
		return err
	}
	calls, err := program.Calls(os.Stderr)
	for _, call := range calls {
		json.NewEncoder(os.Stdout).Encode(call)
	}
	return err
}

// possible returns an error if there is nothing to check, or no way to check it.
func possible(program *check.Program) error {
	if program.Step < 1 || program.Step > 7 {
		return fmt.Errorf("--step %d: want 1 to 7", program.Step)
	}
	if _, err := os.Stat(program.Path); err != nil {
		return fmt.Errorf("no program: %w", err)
	}
	if os.Geteuid() != 0 {
		return errors.New("containers need root: use sudo")
	}
	// Earlier steps have no root file system.
	if _, err := os.Stat(program.Rootfs); err != nil && program.Step >= 4 {
		return fmt.Errorf("no root file system: %w (make one: make rootfs)", err)
	}
	return nil
}
