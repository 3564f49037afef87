package trace

import (
	"slices"
	"strings"
)

// A Difference describes how two programs differ in one call.
type Difference struct {
	// Call is the call of theirs, or of ours if theirs does not make it.
	Call Call
	// Kind is Missing, Extra, Changed or Moved.
	Kind Kind
	// Text describes the difference to the author of theirs, who is "you".
	Text string
}

// A Kind is the kind of a difference.
type Kind string

const (
	// Missing is a call that theirs does not make.
	Missing Kind = "-"
	// Extra is a call that only theirs makes.
	Extra Kind = "+"
	// Changed is a call that fails in theirs, or that theirs makes with other arguments, in another process, or at a place where
	// the call has another meaning.
	Changed Kind = "!"
	// Moved is a call that theirs makes at another place, with the same effect.
	Moved Kind = "~"
)

// A Comparison lists the differences of two programs in the order of our calls. It is empty if both programs make the same calls
// in the same order.
type Comparison []Difference

// Equivalent reports whether both programs make the same container, possibly in another order.
func (c Comparison) Equivalent() bool {
	return !slices.ContainsFunc(c, func(d Difference) bool { return d.Kind != Moved })
}

// Compare describes how the calls of a program, theirs, differ from ours. It ignores details without an effect: the names of
// cgroups, the order of the trees of cgroup v1, the notation of a size, repeated calls.
func Compare(ours, theirs []Call) Comparison {
	p := pairUp(normal(ours), normal(theirs))
	moved := p.moved()
	var all Comparison
	for i, o := range p.ours {
		j := p.answer[i]
		if j < 0 {
			if !p.unreached(i) && !p.idle(o) {
				all = append(all, Difference{o.Call, Missing, o.Process + " makes this call" + p.place(o) + ". Yours does not."})
			}
			continue
		}
		t := p.theirs[j]
		if texts := slices.Concat(p.process(o, t), changes(o, t), p.sides(i, moved), p.failure(t, o.Err)); len(texts) > 0 {
			all = append(all, Difference{t.Call, Changed, strings.Join(texts, " ")})
		} else if moved[i] {
			all = append(all, Difference{t.Call, Moved, "Yours makes it " + p.behind(t) + "."})
		}
	}
	for j, t := range p.theirs {
		if !slices.Contains(p.answer, j) {
			texts := append([]string{"Your " + t.Process + " makes this call. Ours does not."}, p.failure(t, 0)...)
			all = append(all, Difference{t.Call, Extra, strings.Join(texts, " ")})
		}
	}
	return all
}
