//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A runner runs programs of the suite, one after the other: some of the programs are races, which a busy machine loses.
type runner struct {
	// runtime is the runtime to test, and suite the folder in which the programs run.
	runtime, suite string
	hierarchies    []hierarchy
	timeout        time.Duration
	verbose        bool
}

// A result is the outcome of a program of the suite.
type result struct {
	program
	// problem is why the program failed, or empty.
	problem string
	// skipped is why the program was not run, or empty.
	skipped string
	took    time.Duration
}

func (r result) passed() bool { return r.problem == "" && r.skipped == "" }

func (r result) failed() bool { return r.problem != "" }

// run runs programs and prints a line for each when it ends.
func (r runner) run(ctx context.Context, programs []program) ([]result, error) {
	version1 := slices.ContainsFunc(r.hierarchies, func(h hierarchy) bool { return h.Kind == "cgroup" })
	var results []result
	for _, p := range programs {
		started := time.Now()
		found := result{program: p, skipped: p.impossible(version1, runtime.NumCPU())}
		if found.skipped == "" {
			var err error
			if found.problem, err = r.try(ctx, p); err != nil {
				return nil, fmt.Errorf("%s: %w", p.name, err)
			}
		}
		found.took = time.Since(started)
		results = append(results, found)
		printResult(os.Stdout, found)
	}
	return results, nil
}

// try runs a program in its own namespaces and cgroups. It returns why the program failed, or nothing.
func (r runner) try(ctx context.Context, p program) (problem string, err error) {
	groups, err := makeGroups(r.hierarchies)
	defer func() { err = errors.Join(err, removeGroups(groups)) }()
	if err != nil {
		return "", err
	}
	arguments, err := json.Marshal(groups)
	if err != nil {
		return "", err
	}
	limited, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(limited, "/proc/self/exe", isolated, string(arguments), filepath.Join(r.suite, programsDir, p.name))
	cmd.Dir = r.suite
	cmd.Env = []string{"PATH=" + path, "RUNTIME=" + r.runtime, "TMPDIR=" + bundles}
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// This command is process 1 of the namespaces: all processes in them end with it, and it ends if we are killed.
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL, Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS |
		unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS}
	err = cmd.Run()
	if r.verbose {
		fmt.Printf("%s%s", stdout.String(), stderr.String())
	}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case limited.Err() != nil:
		return fmt.Sprintf("no end after %v", r.timeout), nil
	case err != nil && !errors.As(err, &exit):
		return "", err
	case exit != nil && exit.ExitCode() == statusIsolation:
		return "", errors.New(squeeze(stderr.String()))
	}
	problem = parse(stdout.String()).verdict(p.silent)
	if problem == "" && err != nil {
		problem = err.Error()
	}
	if detail := lastLine(stderr.String()); problem != "" && detail != "" {
		problem += ": " + detail
	}
	return problem, nil
}

// lastLine returns the last line of a text that is more than an exit status.
func lastLine(text string) string {
	for _, line := range slices.Backward(strings.Split(text, "\n")) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "exit status") && !strings.HasPrefix(line, "Refer to:") {
			return line
		}
	}
	return ""
}
