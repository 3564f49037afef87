//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

// A report is what a program of the suite printed: version 13 of the Test Anything Protocol, a line for each point with a block
// of diagnostics after it. Programs print several such documents, and other lines between.
type report struct {
	points, failed int
	// planned is whether a line 1..N closes a document: without one the program ended early.
	planned bool
	// problem is the first point that failed, and what the suite says about it after it.
	problem string
	// explaining is whether that is still to come.
	explaining bool
	// complaint is the "error" of a diagnostic. Where there are points it says what the point is about, not that it failed.
	complaint string
}

// parse reads what a program printed.
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

// fail counts a point that failed, unless the suite itself expects that.
func (r *report) fail(line string) {
	r.explaining = false
	point, directive, _ := strings.Cut(line, "#")
	if directive = strings.ToUpper(strings.TrimSpace(directive)); strings.HasPrefix(directive, "TODO") {
		return
	}
	r.failed++
	if r.problem == "" {
		// "not ok 3 - description"
		if _, description, found := strings.Cut(point, " - "); found {
			point = description
		}
		r.problem = strings.TrimSpace(point)
		r.explaining = true
	}
}

// explain adds to the problem what is said about it.
func (r *report) explain(text string) {
	if text = squeeze(text); r.explaining && text != "" {
		r.problem += ": " + text
	}
}

// diagnostic reads a block. The suite writes JSON, which is YAML too. What runtimetest printed in the container is in "stdout":
// the suite looks there for "not ok", and takes nothing at all for success.
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

// include takes over what failed in a container.
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

// verdict says why a program failed, or nothing. One that is silent tells failure by its status or by a complaint.
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

// squeeze makes one line of a text, without the address of the specification's paragraph.
func squeeze(text string) string {
	text, _, _ = strings.Cut(text, "Refer to:")
	return strings.Join(strings.Fields(text), " ")
}
