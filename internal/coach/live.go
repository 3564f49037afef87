//go:build linux

package coach

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"container-workshop/internal/check"
	"container-workshop/internal/lesson"
	"container-workshop/internal/live"
)

// onPage begins to tell the web pages about a program.
func (c *coach) onPage(dir string, step int) {
	c.live = live.State{Program: dir, Step: step, Title: title(step)}
	r, err := c.load()
	for i := range c.live.Passed {
		c.live.Passed[i] = err == nil && hasPassed(r, dir, i+1)
	}
	c.tell(live.Started)
}

// elsewhere reports whether a watch is running for another program or another step. The pages stay with the watch.
func (c *coach) elsewhere() bool {
	s := live.Read(".")
	return s != nil && s.Watching && (s.Program != c.live.Program || s.Step != c.live.Step)
}

// tell writes for the web pages what the coach is doing. Anything but a step in a check is a new beginning. The pages are an extra: if
// the file cannot be written, the learner still has the terminal.
func (c *coach) tell(doing live.Doing) {
	switch doing {
	case live.Started, live.Saved, live.Compiling:
		c.live.Lines, c.live.First, c.live.More, c.live.Gained = nil, nil, "", ""
		c.live.Properties = properties(c.live.Step, nil)
	}
	c.live.Doing, c.live.At = doing, time.Now()
	if !c.watched && c.elsewhere() {
		return
	}
	if text, err := json.Marshal(c.live); err == nil {
		replace(live.StateFile("."), text)
	}
}

// tellFindings tells what an examination has found so far.
func (c *coach) tellFindings(doing live.Doing, e *examination) {
	c.live.Properties = properties(e.step, e.findings)
	c.live.First, c.live.More = nil, ""
	// Until the end of the check, an older property may turn out not to be the first one to mend.
	if first := e.missing(); first != nil && (doing != live.Checking || first.State == check.Lacks && first.Step == e.step) {
		c.live.First, c.live.More = problem(*first), e.more(*first)
	}
	c.tell(doing)
}

// tellResult tells the result of an examination.
func (c *coach) tellResult(e *examination) {
	c.live.Passed[e.step-1] = e.passed()
	if e.passed() {
		c.live.Gained = gained[e.step]
		c.tellFindings(live.Passed, e)
		return
	}
	c.tellFindings(live.Failed, e)
}

// tellFailure tells why there is no result.
func (c *coach) tellFailure(err error) {
	doing := live.Trouble
	var wrong *compileError
	if errors.As(err, &wrong) {
		doing = live.Broken
	}
	c.live.Passed[c.live.Step-1] = false
	c.live.Lines = strings.Split(printable(err.Error()), "\n")
	c.tell(doing)
}

// properties returns the properties of a step, with the states that have been found.
func properties(step int, findings []check.Finding) []live.Property {
	states := map[string]check.State{}
	for _, f := range findings {
		states[f.Property] = f.State
	}
	list := []live.Property{}
	for _, p := range check.Properties {
		if p.Step == step {
			list = append(list, live.Property{Name: p.Name, State: string(states[p.Name])})
		}
	}
	return list
}

// problem returns what the web pages show of a finding.
func problem(f check.Finding) *live.Problem {
	p := &live.Problem{
		Property: f.Property, Step: f.Step, State: string(f.State), Diagnosis: printable(f.Diagnosis), Seen: printable(f.Seen), Why: f.Why, Needs: f.Needs,
	}
	if f.Where != "" {
		p.Place, p.Page = place(f.Where), lesson.Address(f.Where)
	}
	return p
}
