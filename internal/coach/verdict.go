//go:build linux

package coach

import (
	"fmt"
	"strings"

	"container-workshop/internal/check"
)

// heading shows which step and which program the coach checks.
func (c *coach) heading(step int, dir string) {
	name := fmt.Sprintf("Step %d: %s", step, title(step))
	room := max(3, min(70, c.screen.width)-len([]rune(name))-len([]rune(dir)))
	c.screen.say("%s%s%s", c.screen.in(bold, name), strings.Repeat(" ", room), c.screen.in(dim, dir))
}

// bar shows the steps that the learner has passed, and the current step as it is now. For a program on the side, bar shows what this
// program has passed. Our own programs have no progress to show.
func (c *coach) bar(dir string, current int, passed bool) {
	r, err := c.load()
	if err != nil || stepOf(dir) != 0 {
		c.screen.say("")
		return
	}
	var parts []string
	for step := 1; step <= steps; step++ {
		switch {
		case step == current && passed, step != current && hasPassed(r, dir, step):
			parts = append(parts, c.screen.in(green, fmt.Sprintf("[%d ✓]", step)))
		case step == current:
			parts = append(parts, c.screen.in(yellow, fmt.Sprintf("[%d …]", step)))
		default:
			parts = append(parts, c.screen.in(dim, fmt.Sprintf("[%d]", step)))
		}
	}
	c.screen.say("%s\n", strings.Join(parts, " "))
}

// hasPassed reports whether a program has passed a step. Whatever the learner has passed counts for the learner's current program.
func hasPassed(r *record, dir string, step int) bool {
	return !r.at(step).Passed.IsZero() && (dir == r.Program || r.passed(step, dir))
}

// verdict shows the result of an examination: success, or the first missing property.
func (c *coach) verdict(dir string, e *examination) {
	if c.Verbose {
		c.everything(e)
	}
	first := e.missing()
	switch {
	case first == nil:
		c.success(dir, e)
	case !c.Verbose:
		if c.shown == nil {
			c.finding(*first)
		}
		if more := e.more(*first); more != "" {
			c.screen.block("    ", dim, more+" make check V=1 shows all.")
		}
	}
	if n := len(e.leftovers); n > 0 {
		c.screen.say("")
		c.screen.block("  ! ", yellow, "Your program left files behind: "+strings.Join(e.leftovers, ", "))
		c.screen.block("    ", dim, "You have nothing to clean up: your program ran on a copy of the files, and the copy is gone.")
	}
	if len(e.unprotected) > 0 {
		c.screen.say("")
		c.screen.block("  ! ", yellow, "These folders of the host were read-only for your program, because no overlay fits over them: "+strings.Join(e.unprotected, ", "))
	}
	if first != nil && !c.watched {
		c.screen.say("")
		c.screen.next("a hint", "make hint")
	}
}

// finding shows a property that is missing or unclear.
func (c *coach) finding(f check.Finding) {
	switch f.State {
	case check.Has:
		c.screen.block("  ✓ ", green, f.Property)
		return
	case check.Unclear:
		c.screen.block("  ? ", yellow, f.Property)
	case check.Blocked:
		c.screen.block("  - ", dim, f.Property)
	default:
		c.screen.block("  ✗ ", red, f.Property)
	}
	for _, part := range []struct{ label, text string }{
		{"    ", f.Diagnosis}, {"    seen   ", f.Seen}, {"    why    ", f.Why}, {"    look   ", place(f.Where)}, {"    page   ", webPage(f.Where)}, {"    needs  ", f.Needs},
	} {
		if part.text != "" {
			c.screen.block(part.label, dim, part.text)
		}
	}
}

// more says how many other properties are missing.
func (e *examination) more(first check.Finding) string {
	waiting, lacking := e.count(check.Blocked), e.count(check.Lacks)
	if first.State == check.Lacks {
		lacking--
	} else {
		waiting--
	}
	var parts []string
	if waiting > 0 {
		parts = append(parts, plural(waiting, "other property needs", "other properties need")+" this one first.")
	}
	if lacking > 0 {
		parts = append(parts, plural(lacking, "other fails, too.", "others fail, too."))
	}
	return strings.Join(parts, " ")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// counted says how many properties of its step the program has, as the live page does. With all, it counts the older steps, too.
func (e *examination) counted(all bool) string {
	if all {
		return plural(e.count(check.Has), "property", "properties") + fmt.Sprintf(" up to step %d", e.step)
	}
	n := 0
	for _, p := range properties(e.step, e.findings) {
		if p.State == string(check.Has) {
			n++
		}
	}
	return plural(n, "property", "properties") + fmt.Sprintf(" of step %d", e.step)
}

// everything shows each finding, below a heading for each step.
func (c *coach) everything(e *examination) {
	for i, f := range e.findings {
		if i > 0 && f.Step != e.findings[i-1].Step {
			c.screen.say("")
		}
		c.finding(f)
	}
	c.screen.say("")
}

// success says what the learner can do now, and what comes next.
func (c *coach) success(dir string, e *examination) {
	for _, f := range e.findings {
		if f.State == check.Unclear && !c.Verbose {
			c.finding(f)
		}
	}
	c.screen.say("%s", c.screen.in(green, fmt.Sprintf("Step %d passed.", e.step)))
	c.screen.say("")
	c.screen.block("  ✓ ", green, gained[e.step])
	c.screen.block("    ", dim, fmt.Sprintf("%s in %.1f seconds", e.counted(c.All), e.took.Seconds()))
	if stepOf(dir) != 0 {
		return
	}
	c.screen.say("")
	change := folder(e.step) + "/README.md#the-change"
	c.screen.next("read on", place(change))
	if page := webPage(change); page != "" {
		c.screen.next("page", page)
	}
	if !c.watched {
		c.screen.next("compare with ours", "make diff")
		c.screen.next("go further", "make stretch")
		if e.step < steps {
			c.screen.next("the next step", "make start")
		} else {
			c.screen.next("where it leads", "final/README.md")
		}
	}
}
