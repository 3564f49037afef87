//go:build linux

// Package calls runs on the host side. It writes a program for another process, such as process 1 of a container. The program is a list
// of system calls, and a small machine that makes them one after the other.
//
// The process executes this program instead of final, so no Go runs in the process, and the process never has the memory or the file
// of final. The machine is assembly: machine_amd64.s and machine_arm64.s. The list is its data. Image puts both into a file in memory
// that nobody can change.
//
// A list can jump, but it cannot calculate and it knows no strings. Go code decides everything else before it writes the list.
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
	// labels are the numbers of the ops that the labels mark.
	labels []uint32
	jumps  []jump
	slots  uint32
	memory []byte
	zeros  Address
	times  Buffer
	// buffers are for Print.
	buffers []described
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
	// Waiting says that the process only waits: the host side does the work.
	Waiting bool
}

// Interrupt is for tests: if it is set, List.Stage calls Interrupt at the beginning of each stage. Interrupt can add calls to the list,
// such as pause(2). If Interrupt returns an error, the process fails with this error when it reaches the stage.
var Interrupt func(l *List, side, call string) error

// mostStages is how many stages have room for their times.
const mostStages = 2048

// New begins a list for one side, which is a word of --explain. With explain the process notes when each stage begins.
//
// The first call checks that the socket is open. A hostile command can execute the program a second time, as /proc/self/exe. The
// command has no such socket, so the program ends before it makes another call. CVE-2019-5736
func New(side string, explain bool) *List {
	l := &List{side: side, explain: explain, slots: 1, zeros: zeroStart + reportSize}
	l.ops, l.calls = make([]op, 0, 256), make([]*Call, 0, 256)
	l.memory, l.buffers = make([]byte, headerSize, 16<<10), make([]described, 0, 64)
	if explain {
		l.times = l.Buffer(mostStages * timeSize)
	}
	l.Set(SocketSlot, -1)
	l.Do(unix.SYS_FCNTL, SocketSlot, unix.F_GETFD, 0)
	return l
}

// Socket says which descriptor of the new process is the socket for failures. The socket keeps messages apart: SOCK_SEQPACKET. Use a
// number that the command will not have open: the first call of the list depends on it.
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
		if len(l.stages) > mostStages {
			l.mistake("there is only room for the times of %d stages", mostStages)
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

// SendTimes sends the times of the stages up to here to the socket, after a word. Without explain it adds no call.
func (l *List) SendTimes(word uint32) {
	if times := l.Times(); l.explain {
		parts := l.Struct(&[4]uint64{uint64(l.Struct(&word).start), 4, uint64(times.start), uint64(times.Size)})
		l.Do(unix.SYS_WRITEV, SocketSlot, parts, 2)
	}
}

// mistake keeps the first mistake, for Image.
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
