//go:build linux

// Package stage runs on both sides of clone. It works through a list of stages, and keeps a record of each if asked to.
//
// A stage says what it does in the same place where it does it, so that what --explain tells is what has happened.
package stage

import (
	"fmt"
	"time"
)

// A Stage is one kernel call that matters, or a few that belong together.
type Stage struct {
	// Call is the call as a person would write it: `sethostname("container")`.
	Call string
	// Man is the man page that tells of it.
	Man string
	// Step is the step of the workshop that has taught it, 0 for what only this runtime does.
	Step int
	// Waiting says that it is the other side that takes the time.
	Waiting bool
	// Do makes the call. Nil where there is nothing to do but to tell.
	Do func() error
}

// A Record tells of one stage that has been worked through.
type Record struct {
	// Side is who has made the call: host or container.
	Side string
	Call string
	Man  string
	Step int
	// Start is on the monotonic clock, which is the same for all processes. clock_gettime(2)
	Start time.Duration
	// Took is negative if it is not known.
	Took    time.Duration
	Waiting bool
}

// Interrupt is called before each stage, if it is set. An error ends the list as if the stage had failed. For tests.
var Interrupt func(side, call string) error

// A List works through stages, for one side.
type List struct {
	// Side is host or container.
	Side string
	// Explain asks for records.
	Explain bool
	Records []Record
}

// Run works through the stages in order, up to the first that fails. The error of that is returned as it is.
func (l *List) Run(stages ...Stage) error {
	for i := range stages {
		if err := l.run(&stages[i]); err != nil {
			return err
		}
	}
	return nil
}

func (l *List) run(s *Stage) error {
	if Interrupt != nil {
		if err := Interrupt(l.Side, s.Call); err != nil {
			return fmt.Errorf("%s: %w", s.Call, err)
		}
	}
	if s.Do == nil {
		s.Do = func() error { return nil }
	}
	if !l.Explain {
		return s.Do()
	}
	start := now()
	err := s.Do()
	l.Records = append(l.Records, Record{Side: l.Side, Call: s.Call, Man: s.Man, Step: s.Step, Start: start, Took: now() - start, Waiting: s.Waiting})
	return err
}

// Ahead adds records of stages after which nobody is there to tell of them.
func (l *List) Ahead(stages []Stage) {
	for _, s := range stages {
		l.Records = append(l.Records, Record{Side: l.Side, Call: s.Call, Man: s.Man, Step: s.Step, Start: now(), Took: -1})
	}
}

// Over tells that the last of those has just ended.
func (l *List) Over() {
	if n := len(l.Records); n > 0 && l.Records[n-1].Took < 0 {
		l.Records[n-1].Took = now() - l.Records[n-1].Start
	}
}
