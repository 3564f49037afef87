//go:build linux

package check

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A State says whether a program has a property.
type State string

// The states of a property.
const (
	Has   State = "has"
	Lacks State = "lacks"
	// Unclear is the state of a property that could not be looked at, for a reason that says nothing about the program.
	Unclear State = "unclear"
	// Blocked is the state of a property that was not looked at, because a property that it needs is missing.
	Blocked State = "blocked"
)

// A Finding is what an examination says about one property.
type Finding struct {
	// Property is its name.
	Property string
	// Step is where to show it. It is the step of the property, but a program that starts no command fails at its own step.
	Step  int
	State State
	// Seen is what was seen instead, in one or two short lines.
	Seen string `json:",omitempty"`
	// Diagnosis names the mistake, where what was seen tells it.
	Diagnosis string `json:",omitempty"`
	// Why says in one sentence why the property matters.
	Why string `json:",omitempty"`
	// Where is the place in a lesson to look at: path#anchor.
	Where string `json:",omitempty"`
	// Needs is the missing property that blocks this one.
	Needs string `json:",omitempty"`
}

// A Summary is what an examination says at its end.
type Summary struct {
	// Leftovers is what the program has left in the file system of the host or in the root file system. It is gone by now.
	Leftovers []string
	// Unprotected are the directories of the host that the program could change, because no layer could be put over them, or
	// could not change at all, because they were read-only.
	Unprotected []string `json:",omitempty"`
}

// Examine examines a program, and reports a finding for each property, in the order of the table, as soon as there is one.
// It looks at the properties of the program's step. At the older properties it takes one glance, and reports only those that
// are missing; or, with all, it looks at each of them.
func Examine(program *Program, all bool, report func(Finding)) (Summary, error) {
	return examine(program, report, func(e *examination) {
		if !all {
			e.program.Few = true
			e.look(e.doubtful())
		}
		e.look(slices.DeleteFunc(slices.Clone(Properties), func(p Property) bool {
			return p.Step > program.Step || p.Step < program.Step && !all
		}))
	})
}

// ExamineStretch examines a program for the two exercises beyond its step.
func ExamineStretch(program *Program, report func(Finding)) (Summary, error) {
	return examine(program, report, func(e *examination) {
		e.look(e.doubtful())
		e.look(slices.DeleteFunc(slices.Clone(Stretch), func(p Property) bool { return p.Step != program.Step }))
	})
}

// examine examines a copy of a program on a scratch of the host, if there can be one.
func examine(program *Program, report func(Finding), look func(*examination)) (Summary, error) {
	examined := *program
	path, err := filepath.Abs(program.Path)
	if err != nil {
		return Summary{}, err
	}
	examined.Path = path
	defer sweep()
	e := &examination{program: &examined, report: report, findings: map[string]Finding{}, calls: traced(&examined)}
	summary := Summary{Leftovers: []string{}}
	if examined.host, err = newScratch(); err != nil {
		summary.Unprotected = []string{fmt.Sprintf("/ (%v)", err)}
	} else {
		defer examined.host.close()
		summary.Unprotected = examined.host.unprotected
	}
	e.start()
	look(e)
	if examined.host != nil {
		summary.Leftovers = append(summary.Leftovers, examined.host.left(&examined)...)
	}
	return summary, nil
}

func finding(p Property, err error) Finding {
	f := Finding{Property: p.Name, Step: p.Step, State: Has}
	switch {
	case errors.Is(err, ErrUnclear):
		f.State, f.Seen = Unclear, brief(err.Error())
	case err != nil:
		f.State, f.Seen, f.Why, f.Where = Lacks, brief(err.Error()), p.Why, p.Where
	}
	return f
}

// dump matches what the Go runtime prints below the first line of a panic or a fatal error, quoted or not.
var dump = regexp.MustCompile(`(?s)(\n|\\n)+(goroutine \d+|\[signal |runtime stack:).*`)

// brief cuts a dump of the Go runtime to its first line, and a text to its first two lines, which are not too long.
func brief(text string) string {
	lines := strings.Split(strings.TrimSpace(dump.ReplaceAllString(text, "")), "\n")
	for i, line := range lines {
		if letters := []rune(line); len(letters) > 300 {
			lines[i] = string(letters[:300]) + "…"
		}
	}
	return strings.Join(lines[:min(len(lines), 2)], "\n")
}
