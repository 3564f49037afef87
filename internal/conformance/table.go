//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"container-workshop/internal/conformance/page"
)

// target is the target of make that writes the section.
const target = "conformance"

// blame has a heading for each kind of reason.
var blame = []struct {
	kind    kind
	heading string
}{
	{suite, "Mistakes in the suite"},
	{machine, "Needs a certain kernel or machine"},
	{callers, "Callers need something else"},
}

// printExpected prints what is expected of each program.
func printExpected(w io.Writer) {
	for _, p := range expected {
		if p.must() {
			fmt.Fprintf(w, "%-31s must pass\n", p.name)
		} else {
			fmt.Fprintf(w, "%-31s %s: %s\n", p.name, p.kind, p.why)
		}
	}
}

// printResult prints a line about a program that has ended.
func printResult(w io.Writer, r result) {
	verdict, detail := "passed", ""
	switch {
	case r.skipped != "":
		verdict, detail = "not run", r.skipped
	case r.failed() && r.must():
		verdict, detail = "FAILED", r.problem
	case r.failed():
		verdict, detail = "failed", string(r.kind)+": "+r.why
	}
	line := fmt.Sprintf("%-31s %-7s %5.1fs  %s", r.name, verdict, r.took.Round(100*time.Millisecond).Seconds(), detail)
	fmt.Fprintln(w, strings.TrimRight(line, " "))
}

// summarize prints the totals, and reports whether every program passed that must pass.
func summarize(w io.Writer, results []result) bool {
	var passed, skipped, must, failed int
	for _, r := range results {
		switch {
		case r.passed():
			passed++
		case r.skipped != "":
			skipped++
		}
		if r.must() && r.skipped == "" {
			must++
			if r.failed() {
				failed++
			}
		}
	}
	fmt.Fprintf(w, "\n%d of %d programs passed, %d of the %d that must. %d not run.\n",
		passed, len(results)-skipped, must-failed, must, skipped)
	return failed == 0
}

// markdown returns the section for readers. It shows results only of programs that must pass: the results of the others depend on the
// machine or on luck, and the section should be the same each time.
func markdown(results []result) string {
	var b strings.Builder
	must := slices.DeleteFunc(slices.Clone(results), func(r result) bool { return !r.must() })
	fmt.Fprintf(&b, `
## The suite of the OCI

The validation suite of [runtime-tools](https://%s), version
%s, is %d programs. `+"`make conformance`"+` runs them with `+"`final`"+`, each in its own
namespaces and cgroups, and writes this section. The target fails if one of the first %d programs fails. The other programs
are listed with a reason.

### Must pass

| program | result |
| --- | --- |
`, suiteModule, suiteVersion, len(results), len(must))
	for _, r := range must {
		verdict := "passes"
		switch {
		case r.skipped != "":
			verdict = "not run: " + r.skipped
		case r.failed():
			verdict = "**fails**: " + strings.ReplaceAll(r.problem, "|", `\|`)
		}
		fmt.Fprintf(&b, "| %s | %s |\n", r.name, verdict)
	}
	for _, section := range blame {
		fmt.Fprintf(&b, "\n### %s\n\n| program | why final need not pass |\n| --- | --- |\n", section.heading)
		for _, r := range results {
			if r.kind == section.kind {
				fmt.Fprintf(&b, "| %s | %s |\n", r.name, r.why)
			}
		}
	}
	return b.String() + "\n"
}

// write writes the section into the page.
func write(file string, results []result) error {
	before, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	after, err := page.Replace(string(before), target, markdown(results))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, []byte(after), 0o644)
}
