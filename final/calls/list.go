//go:build linux

// Package calls runs on the host side. It writes a program for another process: a list of system calls, and the small machine that
// makes them one after the other.
//
// The other process executes this program instead of final: no Go runs in it, and neither the memory nor the file of final can be
// reached from it. The program is a sealed file in memory. The machine is the assembly in machine_amd64.s and machine_arm64.s, and
// the list is its data. Image says what the file looks like.
//
// A list has jumps, but no arithmetic and no strings. Whatever needs a decision is decided in Go, before the list is written.
package calls

import (
	"fmt"

	"golang.org/x/sys/unix"

	"container-workshop/final/stage"
)

// A List is the system calls of one process, in their order.
type List struct {
	side    string
	explain bool
	stages  []*Stage
	calls   []*Call
	ops     []op
	// labels holds the number of the op that each label marks.
	labels []uint32
	jumps  []jump
	slots  uint32
	memory []byte
	zeros  Address
	times  Buffer
	// err is the first mistake of the code that wrote the list. Image reports the mistake.
	err error
}

// A Slot is a place where a call leaves its result, for the calls after it.
type Slot int

// SocketSlot holds the descriptor of the socket to which the process reports a failure.
const SocketSlot Slot = 0

// A Label is a place in the list, to jump to.
type Label int

// A jump is a case of an op whose target is a label.
type jump struct {
	op, at int
	to     Label
}

// A Stage is what you see of one or more calls: in --explain, and in errors.
type Stage struct {
	// Call, Man and Step are what they are in package stage. You may change them until the process runs.
	Call string
	Man  string
	Step int
	// Waiting says that this side only waits: the other side does the work.
	Waiting bool
}

// Interrupt is for tests: if it is set, List.Stage calls Interrupt at the beginning of each stage. With an error from Interrupt the
// stage fails when the process comes to it. Interrupt may add calls to the list, such as a pause(2).
var Interrupt func(l *List, side, call string) error

// moreStages is how many stages have room for their times.
const moreStages = 2048

// New begins a list for one side, which is a word of --explain. With explain the process notes when each stage begins.
//
// The list checks first that its socket is open. A command that executes the program once more, by /proc/self/exe, has no such
// socket: the program ends before it makes any other call.
func New(side string, explain bool) *List {
	l := &List{side: side, explain: explain, slots: 1, zeros: zeroStart + reportSize}
	l.ops, l.calls = make([]op, 0, 256), make([]*Call, 0, 256)
	l.memory = make([]byte, headerSize, 16<<10)
	if explain {
		l.times = l.Buffer(moreStages * timeSize)
	}
	l.Set(SocketSlot, -1)
	l.Do(unix.SYS_FCNTL, SocketSlot, unix.F_GETFD, 0)
	return l
}

// Socket says which descriptor of the new process is the socket for failures. The socket passes records: SOCK_SEQPACKET. Take a
// number that is not open in the command, or the check of New is in vain.
func (l *List) Socket(fd int) { l.ops[0].arg[0] = uint64(int64(fd)) }

// Slot returns a new slot. Its value is 0.
func (l *List) Slot() Slot {
	l.slots++
	return Slot(l.slots - 1)
}

// Stage begins a stage: the calls that follow belong to it. The arguments are those of a stage.Stage.
func (l *List) Stage(call, man string, step int) *Stage {
	s := &Stage{Call: call, Man: man, Step: step}
	l.stages = append(l.stages, s)
	if l.explain {
		if len(l.stages) > moreStages {
			l.mistake("there is only room for the times of %d stages", moreStages)
		}
		l.Do(unix.SYS_CLOCK_GETTIME, unix.CLOCK_MONOTONIC, l.times.At(timeSize*(len(l.stages)-1)))
	}
	if Interrupt != nil {
		if failure := Interrupt(l, l.side, call); failure != nil {
			l.Fail(unix.ECANCELED).Fails(func(error, string) error { return fmt.Errorf("%s: %w", s.Call, failure) })
		}
	}
	return s
}

// Label returns a new label. Mark says where it is.
func (l *List) Label() Label {
	l.labels = append(l.labels, none)
	return Label(len(l.labels) - 1)
}

// Mark puts a label here: before the next call.
func (l *List) Mark(label Label) { l.labels[label] = uint32(len(l.ops)) }

// Goto goes on at the label.
func (l *List) Goto(label Label) { l.Do(doSet, 0).On(0, label) }

// Times is the memory with the times of the stages up to here, for a call that sends them. Without explain its size is 0.
func (l *List) Times() Buffer {
	if !l.explain {
		return Buffer{}
	}
	return Buffer{l.times.start, timeSize * len(l.stages)}
}

// mistake keeps the first mistake of whoever writes the list.
func (l *List) mistake(format string, args ...any) {
	if l.err != nil {
		return
	}
	l.err = fmt.Errorf("list of the %s: "+format, append([]any{l.side}, args...)...)
	if n := len(l.stages); n > 0 {
		l.err = fmt.Errorf("%w (in the stage %s)", l.err, l.stages[n-1].Call)
	}
}

// record is the line of --explain for the stage.
func (s *Stage) record(side string) stage.Record {
	return stage.Record{Side: side, Call: s.Call, Man: s.Man, Step: s.Step, Waiting: s.Waiting, Took: -1}
}
