//go:build linux

// Command compare runs two builds of final on the same generated configurations and compares what a probe inside of the containers
// sees: mounts, credentials, seccomp filters, descriptors, limits, devices, files and more. It compares the exit status, the output and
// what is left on the host, too.
//
//	compare --before FINAL --after FINAL --probe PROBE [--count 100] [--seed 1] [--dump DIR]
//
// A seed is the number of a configuration. The exit status is 0 if all views are the same, 1 if some differ, and 2 if compare fails.
// It needs root.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

func main() {
	var c comparison
	pflag.StringVar(&c.before, "before", "", "`FINAL` to compare with")
	pflag.StringVar(&c.after, "after", "build/final", "`FINAL` to be judged")
	pflag.StringVar(&c.probe, "probe", "build/compare/probe", "the `PROGRAM` that looks around in the containers")
	pflag.StringVar(&c.dump, "dump", "", "write the configuration and both views of each seed that differs into `DIR`")
	pflag.BoolVar(&c.verbose, "verbose", false, "print each configuration and how it ended")
	count := pflag.Uint64("count", 100, "compare `N` configurations")
	seed := pflag.Uint64("seed", 1, "begin with the configuration number `N`")
	pflag.Parse()
	c.output = os.Stdout
	differ, err := 0, ownMounts()
	if err == nil {
		differ, err = c.seeds(*seed, *count)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "compare: %v\n", err)
		os.Exit(2)
	}
	if differ > 0 {
		os.Exit(1)
	}
}

// A comparison compares two programs.
type comparison struct {
	before, after, probe, dump string
	verbose                    bool
	output                     io.Writer
}

// seeds compares the configurations of some seeds, prints the differences, and returns how many configurations differ.
func (c *comparison) seeds(first, count uint64) (int, error) {
	start, outcomes := time.Now(), map[string]int{}
	var differ []string
	for seed := first; seed < first+count; seed++ {
		differences, outcome, err := c.compare(generate(seed), generate(seed))
		if err != nil {
			return len(differ), err
		}
		outcomes[outcome]++
		if len(differences) > 0 {
			printDifferences(c.output, generate(seed), differences)
			differ = append(differ, fmt.Sprint(seed))
		}
	}
	if outcomes["made"] == 0 {
		return len(differ), errors.New("no container was made: --verbose says why")
	}
	fmt.Fprintf(c.output, "%d configurations in %.0f seconds", count, time.Since(start).Seconds())
	for _, outcome := range slices.Sorted(maps.Keys(outcomes)) {
		fmt.Fprintf(c.output, ", %d %s", outcomes[outcome], outcome)
	}
	if len(differ) > 0 {
		fmt.Fprintf(c.output, ".\n%d differ: seeds %s\n", len(differ), strings.Join(differ, ", "))
	} else {
		fmt.Fprintln(c.output, ". All views are the same.")
	}
	return len(differ), nil
}

// compare has each program make a container. The outcome says whether the first one has made its container.
func (c *comparison) compare(one, two *configuration) ([]difference, string, error) {
	start := time.Now()
	before, err := observe(one, c.before, c.probe)
	if err != nil {
		return nil, "", fmt.Errorf("before: %v: %w", one, err)
	}
	after, err := observe(two, c.after, c.probe)
	if err != nil {
		return nil, "", fmt.Errorf("after: %v: %w", two, err)
	}
	differences, outcome := compareViews(before, after), "refused"
	if _, ran := before["process"]; ran {
		outcome = "made"
	}
	if c.verbose {
		fmt.Fprintf(c.output, "%v\n  %s after %v: %v %v %v\n", one, outcome, time.Since(start).Round(time.Millisecond), before["run"], before["create"], before["exec"])
	}
	if (c.verbose || len(differences) > 0) && c.dump != "" {
		err = c.write(one, before, after)
	}
	return differences, outcome, err
}

// write leaves what was compared in files.
func (c *comparison) write(config *configuration, before, after view) error {
	dir := filepath.Join(c.dump, fmt.Sprint(config.Seed))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, value := range map[string]any{"configuration": config, "before": before, "after": after} {
		text, err := json.MarshalIndent(value, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name+".json"), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
