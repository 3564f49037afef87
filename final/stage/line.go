//go:build linux

package stage

// A Line makes calls one after the other, in the order in which they stand in the code. After a call that fails it makes no more: Err
// says why. So a caller looks at Err once, at the end.
type Line struct {
	// Err is the error of the call that failed, nil as long as none has.
	Err  error
	list *List
}

// Line begins a line, whose records come behind those that the list has.
func (l *List) Line() *Line { return &Line{list: l} }

// Do makes a call that a step of the workshop teaches, or 0.
func (l *Line) Do(call, man string, step int, do func() error) {
	l.run(Stage{Call: call, Man: man, Step: step, Do: do})
}

// Wait waits for the other side.
func (l *Line) Wait(call, man string, do func() error) {
	l.run(Stage{Call: call, Man: man, Waiting: true, Do: do})
}

// Tell records what the call before has done, too.
func (l *Line) Tell(call, man string, step int) { l.run(Stage{Call: call, Man: man, Step: step}) }

func (l *Line) run(s Stage) {
	if l.Err == nil {
		l.Err = l.list.Run(s)
	}
}
