//go:build linux

package check

import (
	"errors"
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
	// Unclear is the state of a property that could not be checked, for a reason that says nothing about the program.
	Unclear State = "unclear"
	// Blocked is the state of a property that was not checked, because a property that it needs is missing.
	Blocked State = "blocked"
)

// A Finding is the result of the check of one property.
type Finding struct {
	// Property is its name.
	Property string
	// Step is the step of the property. But a program that starts no command fails at its own step.
	Step  int
	State State
	// Seen says in one or two short lines what the check saw instead.
	Seen string `json:",omitempty"`
	// Diagnosis names the mistake, if the check recognised one.
	Diagnosis string `json:",omitempty"`
	// Why says in one sentence why the property matters.
	Why string `json:",omitempty"`
	// Where is the place in a lesson to read: path#anchor.
	Where string `json:",omitempty"`
	// Needs is the missing property that blocks this one.
	Needs string `json:",omitempty"`
}

// A Summary is the last result of an examination.
type Summary struct {
	// Leftovers are the files that the program created, changed or removed on the host or in the root file system. The host itself
	// has not changed.
	Leftovers []string
	// Unprotected are the directories that take no overlay, so they were read-only for the program.
	Unprotected []string `json:",omitempty"`
}

// Examine checks the properties of a program's step, and reports each finding as soon as it is certain, in the order of the table. Of
// the older properties, it reports only those that are missing in a single container. With all, it checks the older ones, too.
func Examine(program *Program, all bool, report func(Finding)) (Summary, error) {
	return examine(program, report, func(e *examination) {
		if !all {
			e.program.Few = true
			e.look(e.suspects())
		}
		e.look(slices.DeleteFunc(slices.Clone(Properties), func(p Property) bool {
			return p.Step > program.Step || p.Step < program.Step && !all
		}))
	})
}

// ExamineStretch checks the exercises beyond a program's step.
func ExamineStretch(program *Program, report func(Finding)) (Summary, error) {
	return examine(program, report, func(e *examination) {
		e.look(e.suspects())
		e.look(Beyond(program.Step))
	})
}

// examine examines a program on a scratch of the host. Without a scratch it does not run the program.
func examine(program *Program, report func(Finding), look func(*examination)) (Summary, error) {
	examined := *program
	path, err := filepath.Abs(program.Path)
	if err != nil {
		return Summary{}, err
	}
	examined.Path = path
	defer sweep()
	if examined.host, err = newScratch(); err != nil {
		return Summary{}, err
	}
	defer examined.host.close()
	e := &examination{program: &examined, report: report, findings: map[string]Finding{}, calls: traced(&examined)}
	e.start()
	look(e)
	return Summary{
		Leftovers:   append([]string{}, examined.host.left(&examined)...),
		Unprotected: examined.host.unprotected,
	}, nil
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

// brief keeps the first two lines of a text, at most 300 letters of each. It cuts a dump of the Go runtime to its first line.
func brief(text string) string {
	lines := strings.Split(strings.TrimSpace(dump.ReplaceAllString(text, "")), "\n")
	for i, line := range lines {
		if letters := []rune(line); len(letters) > 300 {
			lines[i] = string(letters[:300]) + "…"
		}
	}
	return strings.Join(lines[:min(len(lines), 2)], "\n")
}
