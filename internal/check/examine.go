//go:build linux

package check

import (
	"errors"
	"regexp"
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
	// Leftovers is what the program has left in the file system of the host or in the root file system.
	Leftovers []string
}

// Examine examines a program, and reports a finding for each property, in the order of the table, as soon as there is one.
// It looks at the properties of the program's step. At the older properties it takes one glance, and reports only those that
// are missing; or, with all, it looks at each of them.
func Examine(program *Program, all bool, report func(Finding)) (Summary, error) {
	e := examination{program: program, report: report, states: map[string]State{}}
	if e.start(); !all {
		e.glance()
	}
	for _, p := range Properties {
		if p.Step == program.Step || all && p.Step < program.Step {
			e.look(p)
		}
	}
	return Summary{Leftovers: []string{}}, nil
}

// ExamineStretch examines a program for the two exercises beyond its step.
func ExamineStretch(program *Program, report func(Finding)) (Summary, error) {
	e := examination{program: program, report: report, states: map[string]State{}}
	e.start()
	e.glance()
	for _, p := range Stretch {
		if p.Step == program.Step {
			e.look(p)
		}
	}
	return Summary{Leftovers: []string{}}, nil
}

// An examination knows what has been found so far, by the names of the properties.
type examination struct {
	program *Program
	report  func(Finding)
	states  map[string]State
}

// start looks whether the program starts a command at all. If it does not, that is a mistake in the newest step.
func (e *examination) start() {
	f := finding(Properties[0], Properties[0].Check(e.program))
	f.Step = e.program.Step
	e.note(f)
}

// look looks at a property, unless that is done already, or another property that it needs is missing.
func (e *examination) look(p Property) {
	if _, done := e.states[p.Name]; done {
		return
	}
	if need := p.missingNeed(e.states); need != "" {
		e.note(Finding{Property: p.Name, Step: p.Step, State: Blocked, Needs: need})
		return
	}
	e.note(finding(p, p.Check(e.program)))
}

func (e *examination) note(f Finding) {
	e.states[f.Property] = f.State
	e.report(f)
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

// brief cuts a dump of the Go runtime to its first line.
func brief(text string) string {
	return strings.TrimSpace(dump.ReplaceAllString(text, ""))
}
