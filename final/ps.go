//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"container-workshop/final/container"
	"container-workshop/final/process"
)

func ps(store *container.Store, args []string) (int, error) {
	set := flagSet("ps", "[flags] ID [OPTION ...]", "list the processes of a container, with their PIDs on the host; OPTIONs are those of ps(1)")
	// Flags behind the ID are for ps(1).
	set.SetInterspersed(false)
	format := set.StringP("format", "f", "table", "output `FORMAT`: table or json")
	err := parse(set, args, 1, -1)
	if err != nil && set.NArg() == 0 && !errors.Is(err, pflag.ErrHelp) {
		err = fmt.Errorf("%w: ps shows the processes of one container, and final list shows all containers", err)
	}
	if err != nil {
		return process.StatusFailed, err
	}
	pids, err := store.Processes(set.Arg(0))
	if err != nil {
		return process.StatusFailed, err
	}
	switch *format {
	case "json":
		return 0, json.NewEncoder(os.Stdout).Encode(append([]int{}, pids...))
	case "table":
		return 0, table(pids, set.Args()[1:])
	}
	return process.StatusFailed, fmt.Errorf("--format %q: must be table or json", *format)
}

// table runs ps(1), and prints the lines of some processes. The column PID says which process a line is about.
func table(pids []int, options []string) error {
	if len(options) == 0 {
		options = []string{"-ef"}
	}
	if os.Getenv("PATH") == "" {
		os.Setenv("PATH", "/usr/bin:/bin")
	}
	cmd := exec.Command("ps", options...)
	cmd.Stderr = os.Stderr
	output, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%w (install the package procps)", err)
	}
	if err != nil {
		return err
	}
	lines := strings.SplitAfter(string(output), "\n")
	column := slices.Index(strings.Fields(lines[0]), "PID")
	if column < 0 {
		return fmt.Errorf("ps %s: must show a column PID, to tell the processes apart", strings.Join(options, " "))
	}
	fmt.Print(lines[0])
	for _, line := range lines[1:] {
		fields := strings.Fields(line)
		if len(fields) <= column {
			continue
		}
		if pid, err := strconv.Atoi(fields[column]); err == nil && slices.Contains(pids, pid) {
			fmt.Print(line)
		}
	}
	return nil
}
