//go:build linux

// Command check tells a learner which properties of a step a program has.
//
//	check --step N [--stretch] [--rootfs DIR] PROGRAM
//
// It prints a line for each property of the steps 1 to N, and a hint for each that the program does not have. With --stretch
// the properties are those of the two exercises beyond step N. It exits with 0 if it has all, 1 if not, and 2 if there is
// nothing to check.
package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"container-workshop/internal/check"
)

func main() {
	step := pflag.Int("step", 0, "the step that the program is to be, 1 to 7")
	stretch := pflag.Bool("stretch", false, "check the exercises beyond the step, and nothing else")
	rootfs := pflag.String("rootfs", check.DefaultRootfs, "root directory of the containers")
	pflag.Parse()
	check.Patience = 5 * time.Second
	program := check.Program{Path: pflag.Arg(0), Step: *step, Rootfs: *rootfs}
	if err := possible(program); err != nil {
		fmt.Fprintf(os.Stderr, "check: %v\n", err)
		os.Exit(2)
	}
	table, heading, praise := check.Properties, "Step", "That is step"
	if *stretch {
		table, heading, praise = check.Stretch, "Beyond step", "That is more than step"
	}
	properties := slices.DeleteFunc(slices.Clone(table), func(p check.Property) bool {
		return p.Step > *step || *stretch && p.Step < *step
	})
	if missing := report(program, properties, heading); missing > 0 {
		fmt.Printf("\n%d to go.\n", missing)
		os.Exit(1)
	}
	fmt.Printf("\n%s %d.\n", praise, *step)
}

// possible returns an error if there is nothing to check, or no way to.
func possible(program check.Program) error {
	if program.Step < 1 || program.Step > 7 {
		return fmt.Errorf("--step %d: want 1 to 7", program.Step)
	}
	if _, err := os.Stat(program.Path); err != nil {
		return fmt.Errorf("no program: %w", err)
	}
	if os.Geteuid() != 0 {
		return errors.New("containers need root: use sudo")
	}
	// Earlier steps have none.
	if _, err := os.Stat(program.Rootfs); err != nil && program.Step >= 4 {
		return fmt.Errorf("no root file system: %w (make one: make rootfs)", err)
	}
	return nil
}

// report prints a line for each property, below a heading for each step, and returns how many are missing.
func report(program check.Program, properties []check.Property, heading string) int {
	missing, step := 0, 0
	for _, property := range properties {
		if property.Step != step {
			step = property.Step
			fmt.Printf("\n%s %d\n", heading, step)
		}
		err := property.Check(&program)
		if err == nil {
			fmt.Printf("  ok    %s\n", property.Name)
			continue
		}
		missing++
		if errors.Is(err, check.ErrUnclear) {
			fmt.Printf("  ?     %s\n        %v\n", property.Name, err)
			continue
		}
		fmt.Printf("  FAIL  %s\n        seen: %v\n        hint: %s\n", property.Name, err, property.Hint)
	}
	return missing
}
