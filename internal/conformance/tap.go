//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

// A report is the output of a program of the suite: version 13 of the Test Anything Protocol, with a line for each test point, and after
// it a block of diagnostics. Programs print several such documents, and other lines between them.
type report struct {
	points, failed int
	// planned is true if a line 1..N ends a document. Without that line, the program ended early.
	planned bool
	// problem is the first point that failed, with the suite's explanation.
	problem string
	// explaining is true while that explanation can still come.
	explaining bool
	// complaint is the "error" of a diagnostic. In a program with points, it describes the point and does not mean that the point failed.
	complaint string
}

// parse reads the output of a program.
func parse(text string) report {
	var r report
	var block []string
	inBlock := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case inBlock && strings.TrimSpace(line) == "...":
			r.diagnostic(strings.Join(block, "\n"))
			inBlock = false
		case inBlock:
			block = append(block, line)
		case line == "  ---":
			block, inBlock = nil, true
		case strings.HasPrefix(line, "1.."):
			r.planned = true
		case line == "ok", strings.HasPrefix(line, "ok "):
			r.points++
			r.explaining = false
		case line == "not ok", strings.HasPrefix(line, "not ok "):
			r.points++
			r.fail(line)
		case strings.HasPrefix(line, "# "):
			r.explain(line[2:])
		}
	}
	return r
}

// fail counts a failed point, unless the suite itself expects the failure.
func (r *report) fail(line string) {
	r.explaining = false
	point, directive, _ := strings.Cut(line, "#")
	if directive = strings.ToUpper(strings.TrimSpace(directive)); strings.HasPrefix(directive, "TODO") {
		return
	}
	r.failed++
	if r.problem == "" {
		// A line looks like this: not ok 3 - description
		if _, description, found := strings.Cut(point, " - "); found {
			point = description
		}
		r.problem = strings.TrimSpace(point)
		r.explaining = true
	}
}

// explain adds an explanation to the problem.
func (r *report) explain(text string) {
	if text = squeeze(text); r.explaining && text != "" {
		r.problem += ": " + text
	}
}

// diagnostic reads a block of diagnostics. The suite writes JSON, which is also YAML. Its "stdout" is the output of runtimetest in the
// container. The suite only searches that for "not ok", and takes an empty output for success.
func (r *report) diagnostic(block string) {
	var fields map[string]any
	if json.Unmarshal([]byte(block), &fields) != nil {
		return
	}
	complaint, _ := fields["error"].(string)
	if r.complaint == "" {
		r.complaint = squeeze(complaint)
	}
	r.explain(complaint)
	if stderr, ok := fields["stderr"].(string); ok {
		r.explain(stderr)
	}
	if want, ok := fields["expected"]; ok {
		r.explain(fmt.Sprintf("expected %v, is %v", want, fields["actual"]))
	}
	r.explaining = false
	if stdout, ok := fields["stdout"].(string); ok {
		r.include(parse(stdout), fields["stderr"])
	}
}

// include adds the failures of a container.
func (r *report) include(inner report, stderr any) {
	if inner.points == 0 {
		inner.failed++
		inner.problem = squeeze(fmt.Sprintf("no point was printed in the container: %v", stderr))
	}
	r.failed += inner.failed
	if r.problem == "" {
		r.problem = inner.problem
	}
}

// verdict returns why a program failed, or nothing. A silent program shows failure by its exit status or by a complaint.
func (r report) verdict(silent bool) string {
	switch {
	case r.failed > 0:
		return r.problem
	case r.points == 0 && silent:
		return r.complaint
	case r.points == 0:
		return "no point was printed"
	case !r.planned:
		return "the program in the container ended before its last point"
	}
	return ""
}

// squeeze puts a text into one line, and drops the link to the specification.
func squeeze(text string) string {
	text, _, _ = strings.Cut(text, "Refer to:")
	return strings.Join(strings.Fields(text), " ")
}
