//go:build linux

// Command coach goes with a learner through the steps.
//
//	coach VERB [--step N] [--dir DIR] [--from DIR] [--level N] [--all] [--verbose] [--reset] [--rootfs DIR]
//
// VERB is start, check, watch, progress, hint, diff or stretch. make calls it, at the top of the workshop. It exits with 0 if all
// is well, and 1 if something is missing or went wrong.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/pflag"

	"container-workshop/internal/check"
	"container-workshop/internal/coach"
)

func main() {
	var s coach.Settings
	pflag.StringVar(&s.Step, "step", "", "the step, 1 to 7")
	pflag.StringVar(&s.Dir, "dir", "", "the folder of the program")
	pflag.StringVar(&s.From, "from", "", "the folder that a new program is copied from")
	pflag.StringVar(&s.Level, "level", "", "the hint, 1 to 3")
	pflag.BoolVar(&s.All, "all", false, "check the older steps as thoroughly as the newest")
	pflag.BoolVar(&s.Verbose, "verbose", false, "show every finding")
	pflag.BoolVar(&s.Reset, "reset", false, "forget the progress")
	pflag.StringVar(&s.Rootfs, "rootfs", check.DefaultRootfs, "the root directory of the containers")
	pflag.Parse()
	if pflag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "coach: want one verb: coach check --step 3 --dir work/mine")
		os.Exit(1)
	}
	os.Exit(coach.Do(pflag.Arg(0), s))
}
