//go:build linux

package stage

// A Line makes calls in the order in which they stand in the code. It makes no more calls after one that fails, so you check Err only
// once, after the last call.
type Line struct {
	// Err is the error of the call that failed, and nil while no call has failed.
	Err  error
	list *List
}

// Line begins a line. The records of the line come after the records that the list has already.
func (l *List) Line() *Line { return &Line{list: l} }

// Do makes a call that a step of the workshop teaches. The step is 0 if no step does.
func (l *Line) Do(call, man string, step int, do func() error) {
	l.run(Stage{Call: call, Man: man, Step: step, Do: do})
}

// Wait makes a call that only waits for the work of another side.
func (l *Line) Wait(call, man string, do func() error) {
	l.run(Stage{Call: call, Man: man, Waiting: true, Do: do})
}

// Tell only adds a record: something else that the call before has done.
func (l *Line) Tell(call, man string, step int) { l.run(Stage{Call: call, Man: man, Step: step}) }

// Add adds the records of another process.
func (l *Line) Add(records []Record) {
	if l.list.Explain {
		l.list.Records = append(l.list.Records, records...)
	}
}

// run runs a stage, unless a call has failed before.
func (l *Line) run(s Stage) {
	if l.Err == nil {
		l.Err = l.list.Run(s)
	}
}
