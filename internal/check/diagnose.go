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

// A mistake is something that a program does wrong, and how that can be told from what was seen.
type mistake struct {
	// step is the first step in which the mistake can be made.
	step int
	// explains are the names of the properties that a program with the mistake lacks.
	explains []string
	// name says in a sentence or two what the mistake is. It is empty if the program does not make it.
	name func(*evidence) string
}

// Evidence is what is known about a program that lacks a property.
type evidence struct {
	step int
	// seen is what the check says, with all that the program printed.
	seen string
	// calls are the calls of the kernel that make a container.
	calls
}

// calls are those of a program that runs a command in a container.
type calls []trace.Call

// diagnose names the mistake because of which the program lacks a property, if it is a known one.
func (e *examination) diagnose(property, seen string) string {
	if strings.Contains(seen, tooMany) {
		return e.endless()
	}
	for _, m := range mistakes {
		if m.step > e.program.Step || !slices.Contains(m.explains, property) {
			continue
		}
		if name := m.name(&evidence{e.program.Step, seen, e.calls()}); name != "" {
			return name
		}
	}
	return ""
}

// traced returns the calls of the program, which it runs for that.
func traced(p *Program) func() calls {
	return sync.OnceValue(func() calls {
		all, err := p.callsWithin(Patience/4, io.Discard)
		if err != nil && len(all) == 0 {
			return nil
		}
		return all
	})
}

// endless says how a program starts itself without end. Such a program is run no longer than necessary.
func (e *examination) endless() string {
	all, _ := e.program.callsWithin(300*time.Millisecond, io.Discard)
	if calls(all).becomesItself() {
		return "child becomes run again, which starts the next child: only what you type after run belongs behind the word child."
	}
	return "run starts run, and not child: each run starts another one."
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

// first returns the index of the first call of this name with all the words as arguments, or as parts of an argument that is a
// string; -1 if there is none.
func (c calls) first(name string, words ...string) int { return c.next(0, name, words...) }

// next returns the index of the first such call from an index on.
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

// by reports whether the process makes the call.
func (c calls) by(process string, i int) bool { return i >= 0 && c[i].Process == process }

// namespaces returns the flags for namespaces with which run starts child.
func (c calls) namespaces() []string {
	i := slices.IndexFunc(c, func(call trace.Call) bool { return call.Process == "run" && call.Name == "clone" })
	if i < 0 || c[i].Args[0] == "SIGCHLD" {
		return nil
	}
	return strings.Split(c[i].Args[0], "|")
}

// refused returns the last call that the kernel refused, of those in which that is no part of a right program.
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

// statuses returns the status that was wanted and the status that was seen.
func (e *evidence) statuses() (wanted, got int, ok bool) {
	found := numbers.FindStringSubmatch(e.seen)
	if found == nil {
		return 0, 0, false
	}
	got, _ = strconv.Atoi(found[1])
	wanted, _ = strconv.Atoi(found[2])
	return wanted, got, true
}
