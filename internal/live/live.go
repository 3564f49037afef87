// Package live is how the coach and the web pages know of each other. The coach writes what it sees into a file, and the server of the
// pages reads that file. The server writes its address into a file, and the coach reads that file. Neither waits for the other.
//
// A file stays when its writer is killed, so each file has a lock that its writer holds: the kernel releases the lock of a process
// that has ended, however it ended.
package live

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"
)

// Steps is the number of steps.
const Steps = 7

// A State is what the coach sees of the learner's program.
type State struct {
	// Watching is true while a watch is running. Read sets it.
	Watching bool `json:"watching"`
	// Doing is what the coach does, and At since when.
	Doing Doing     `json:"doing"`
	At    time.Time `json:"at"`
	// Program is the folder of the program, Step its step, and Title the title of the lesson.
	Program string `json:"program"`
	Step    int    `json:"step"`
	Title   string `json:"title"`
	// Passed has the steps that the program has passed.
	Passed [Steps]bool `json:"passed"`
	// Files are the files of the last save, and Saved its time.
	Files string    `json:"files,omitempty"`
	Saved time.Time `json:"saved,omitzero"`
	// Lines say why there is no result: what the compiler prints, or what went wrong.
	Lines []string `json:"lines,omitempty"`
	// Properties are the properties of the step, in the order of the checks.
	Properties []Property `json:"properties"`
	// First is the problem to solve first, and More says how many others there are.
	First *Problem `json:"first,omitempty"`
	More  string   `json:"more,omitempty"`
	// Gained says what the learner can do now that the step has passed.
	Gained string `json:"gained,omitempty"`
}

// Doing is what the coach does, or has done last.
type Doing string

// What the coach does. The last four stay until the next save.
const (
	Started   Doing = "started"
	Saved     Doing = "saved"
	Compiling Doing = "compiling"
	Checking  Doing = "checking"
	// Ended means that the coach ended before its check did.
	Ended Doing = "ended"
	// Broken is a program that does not compile, Failed a program that lacks a property, and Trouble a check that was not possible.
	Broken  Doing = "broken"
	Failed  Doing = "failed"
	Trouble Doing = "trouble"
	Passed  Doing = "passed"
)

// A Property is a property of the step. Its state is empty until the property has been checked.
type Property struct {
	Name  string `json:"name"`
	State string `json:"state,omitempty"`
}

// A Problem is a property that the program lacks.
type Problem struct {
	Property  string `json:"property"`
	Step      int    `json:"step"`
	State     string `json:"state"`
	Diagnosis string `json:"diagnosis,omitempty"`
	Seen      string `json:"seen,omitempty"`
	Why       string `json:"why,omitempty"`
	Needs     string `json:"needs,omitempty"`
	// Place names the place in a lesson to read, and Page is its address from the top of the pages.
	Place string `json:"place,omitempty"`
	Page  string `json:"page,omitempty"`
}

// The files, from the top of the workshop.
const (
	stateFile  = "work/.watch"
	watchLock  = "work/.watching"
	checkLock  = "work/.checking"
	serverFile = "build/.serve"
)

// StateFile is where the coach writes a State in the workshop at top.
func StateFile(top string) string { return filepath.Join(top, stateFile) }

// Read returns what the coach saw last in the workshop at top, or nil if there was no coach yet.
func Read(top string) *State {
	text, err := os.ReadFile(StateFile(top))
	if err != nil {
		return nil
	}
	s := &State{Properties: []Property{}}
	if json.Unmarshal(text, s) != nil {
		return nil
	}
	s.Watching = held(filepath.Join(top, watchLock))
	busy := s.Doing == Saved || s.Doing == Compiling || s.Doing == Checking
	if busy && !s.Watching && !held(filepath.Join(top, checkLock)) {
		s.Doing = Ended
	}
	return s
}
