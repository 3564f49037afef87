package trace

import (
	"fmt"
	"slices"
	"strings"
)

// A Difference is a call in which two programs differ.
type Difference struct {
	// Call is the call of theirs, or of ours if theirs does not make it.
	Call Call
	// Kind is Missing, Extra, Changed or Moved.
	Kind Kind
	// Text says what is different, in words to the one whose program it is.
	Text string
}

// A Kind is the kind of a difference.
type Kind string

const (
	// Missing is a call that theirs does not make.
	Missing Kind = "-"
	// Extra is a call that only theirs makes.
	Extra Kind = "+"
	// Changed is a call that theirs makes with other arguments, in another process, or on the other side of a call after which
	// it means something else; or that fails.
	Changed Kind = "!"
	// Moved is a call that theirs makes at another place, where it does the same.
	Moved Kind = "~"
)

// A Comparison has the differences of two programs, in the order in which ours makes the calls. It is empty if the two make the
// same calls in the same order.
type Comparison []Difference

// Equivalent reports whether both programs make the same container, be it in another order.
func (c Comparison) Equivalent() bool {
	return !slices.ContainsFunc(c, func(d Difference) bool { return d.Kind != Moved })
}

// String shows the comparison: a sentence, and two lines for each difference.
func (c Comparison) String() string {
	var b strings.Builder
	switch {
	case len(c) == 0:
		return "The same calls in the same order.\n"
	case c.Equivalent():
		b.WriteString("The same calls. The order is another one, but makes no difference:\n")
	}
	for _, d := range c {
		fmt.Fprintf(&b, "%s %v\n    %s\n", d.Kind, d.Call, d.Text)
	}
	return b.String()
}

// Compare tells how the calls of a program differ from ours. What makes no difference plays no part: the names of cgroups, the way
// in which a size is written, a call that is made twice.
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
