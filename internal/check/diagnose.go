//go:build linux

package check

import (
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"container-workshop/internal/trace"
)

// A mistake is a known error, and how to recognise it.
type mistake struct {
	// step is the first step in which a program can have the mistake.
	step int
	// explains are the names of the properties that the mistake breaks.
	explains []string
	// name describes the mistake in a sentence or two. It returns "" if the program has another mistake.
	name func(*evidence) string
}

// Evidence is what we know about a program that lacks a property.
type evidence struct {
	step int
	// seen is the error of the check, with the whole output of the program.
	seen string
	// calls are the kernel calls of the program. cut is true if the program took too long, and the trace ended before the program did.
	calls
	cut bool
}

// never reports whether the program makes no call with this name and all the words. A trace that was cut off does not tell: the call
// may have come later.
func (e *evidence) never(name string, words ...string) bool {
	return !e.cut && e.first(name, words...) < 0
}

// calls are the kernel calls of a program that runs a command in a container.
type calls []trace.Call

// diagnose names the mistake that breaks a property, or returns "" if we do not know the mistake.
func (e *examination) diagnose(property, seen string) string {
	if strings.Contains(seen, tooMany) {
		return e.endless()
	}
	for _, m := range mistakes {
		if m.step > e.program.Step || !slices.Contains(m.explains, property) {
			continue
		}
		all, cut := e.calls()
		if name := m.name(&evidence{e.program.Step, seen, all, cut}); name != "" {
			return name
		}
	}
	return ""
}

// traced returns a function that runs the program under trace, once. It returns the calls, and whether the trace was cut off.
func traced(p *Program) func() (calls, bool) {
	return sync.OnceValues(func() (calls, bool) {
		all, err := p.callsWithin(max(Patience-time.Second, 3*time.Second), io.Discard)
		return all, err != nil
	})
}

// endless says how a program starts itself without end. Such a program is run no longer than necessary: a second is enough, except on a slow
// host.
func (e *examination) endless() string {
	for _, limit := range []time.Duration{time.Second, 5 * time.Second} {
		all, _ := e.program.callsWithin(limit, io.Discard)
		i := calls(all).first("execve", "/proc/self/exe")
		switch {
		case i < 0 || calls(all).next(i+1, "execve") < 0:
			continue
		case calls(all).becomesItself():
			return "child becomes run again, which starts the next child: only what you type after run belongs behind the word child."
		}
		return "run starts run, and not child: each run starts another one."
	}
	return "The program starts itself again and again: run starts run, and not child, or child becomes run."
}

// becomesItself reports whether child executes one more program after /proc/self/exe, and that is not the command.
func (c calls) becomesItself() bool {
	self := c.first("execve", "/proc/self/exe")
	if self < 0 {
		return false
	}
	again := c.next(self+1, "execve")
	return again >= 0 && c[again].Process == c[self].Process && !mentions(c[again], "/bin/true")
}

// first returns the index of the first call with this name and all the words, or -1. A word is an argument, a flag, or a part of
// a string.
func (c calls) first(name string, words ...string) int { return c.next(0, name, words...) }

// next does the same as first, beginning at an index.
func (c calls) next(from int, name string, words ...string) int {
	for i, call := range c[from:] {
		if call.Name == name && !slices.ContainsFunc(words, func(word string) bool { return !call.Has(word) && !mentions(call, word) }) {
			return from + i
		}
	}
	return -1
}

// mentions reports whether a string among the arguments contains the text.
func mentions(c trace.Call, text string) bool {
	return slices.ContainsFunc(c.Args, func(arg string) bool { return strings.HasPrefix(arg, `"`) && strings.Contains(arg, text) })
}

// by reports whether the process makes the call with this index.
func (c calls) by(process string, i int) bool { return i >= 0 && c[i].Process == process }

// namespaces returns the namespace flags of the clone that starts child.
func (c calls) namespaces() []string {
	i := slices.IndexFunc(c, func(call trace.Call) bool { return call.Process == "run" && call.Name == "clone" })
	if i < 0 || c[i].Args[0] == "SIGCHLD" {
		return nil
	}
	return strings.Split(c[i].Args[0], "|")
}

// refused returns the last call that failed, except calls that also fail in right programs.
func (c calls) refused() (trace.Call, bool) {
	for _, call := range slices.Backward(c) {
		harmless := call.Name == "rmdir" || call.Err == unix.EEXIST || call.Name == "execve" || mentions(call, "sw")
		if call.Err != 0 && !harmless {
			return call, true
		}
	}
	return trace.Call{}, false
}

// numbers matches what want says about two numbers.
var numbers = regexp.MustCompile(`is (-?\d+), not (-?\d+)`)

// statuses returns the expected status and the real status, from the error of a check.
func (e *evidence) statuses() (wanted, got int, ok bool) {
	found := numbers.FindStringSubmatch(e.seen)
	if found == nil {
		return 0, 0, false
	}
	got, _ = strconv.Atoi(found[1])
	wanted, _ = strconv.Atoi(found[2])
	return wanted, got, true
}
