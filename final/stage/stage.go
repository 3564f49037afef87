//go:build linux

// Package stage runs on the host side: on the main thread of final, and on the thread that has entered the mount namespace of a container.
// It makes kernel calls in order, and records each call for --explain. Each call stands next to its description, so --explain cannot
// describe a call that final does not make.
//
// Process 1 makes its calls from a list (package calls), and only sends the times. Its records are of the same kind.
package stage

import (
	"fmt"
	"time"
)

// A Stage is one kernel call that matters, or a few kernel calls that belong together.
type Stage struct {
	// Call is the call as a person would write it: `sethostname("container")`.
	Call string
	// Man is the man page of the call: sethostname(2).
	Man string
	// Step is the step of the workshop that teaches the call. 0 means that no step does.
	Step int
	// Waiting says that this stage only waits: somebody else does the work.
	Waiting bool
	// Do makes the call. A stage without Do only appears in the records.
	Do func() error
}

// A Record is one line of --explain: a stage that has run, successfully or not.
type Record struct {
	// Side says who has made the call: host is final on the host, inside is a thread of final in the container's mount namespace, and
	// container is process 1, or the process of exec.
	Side string
	Call string
	Man  string
	Step int
	// Start is the time on the monotonic clock. All processes share this clock, so the records of all sides can be sorted.
	// clock_gettime(2)
	Start time.Duration
	// Took is negative if nobody measured the time.
	Took    time.Duration
	Waiting bool
}

// Interrupt is for tests: if it is set, List.Run calls Interrupt before each stage. An error from Interrupt ends the list as if
// the stage had failed.
var Interrupt func(side, call string) error

// A List runs the stages of one side.
type List struct {
	// Side is host or inside.
	Side string
	// Explain says whether to keep records.
	Explain bool
	Records []Record
}

// Run runs the stages in order. It stops at the first stage that fails, and returns the error of this stage unchanged.
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

// Over sets the time of the last record, if nobody has measured it: its stage has just ended. This is execve(2) of the command.
func (l *List) Over() {
	if n := len(l.Records); n > 0 && l.Records[n-1].Took < 0 {
		l.Records[n-1].Took = now() - l.Records[n-1].Start
	}
}
