//go:build linux

package coach

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"container-workshop/internal/check"
)

// check examines the learner's program once.
func (c *coach) check() error {
	dir, step, err := c.target("check")
	if err != nil {
		return err
	}
	c.heading(step, dir)
	return c.examineOnce(context.Background(), dir, step)
}

// examineOnce compiles and examines a program, records that it has passed, and shows the result.
func (c *coach) examineOnce(ctx context.Context, dir string, step int) error {
	if err := c.prepare(step); err != nil {
		return err
	}
	c.screen.pass("  compiling %s …", dir)
	result, err := c.examine(ctx, dir, step, c.flags(), func(e *examination) { c.follow(dir, e) })
	if err != nil {
		return c.failed(dir, step, err)
	}
	return c.conclude(dir, result)
}

// follow shows how far an examination is. What the learner has to see to first it shows as soon as that is certain.
func (c *coach) follow(dir string, e *examination) {
	first := e.missing()
	if first != nil && first.State == check.Lacks && first.Step == e.step && c.shown == nil && !c.Verbose {
		c.shown = first
		c.bar(dir, e.step)
		c.finding(*first)
	}
	c.screen.pass("  checking … %d: %s", len(e.findings), e.findings[len(e.findings)-1].Property)
}

// flags are those of build/check.
func (c *coach) flags() []string {
	if c.All {
		return []string{"--all"}
	}
	return nil
}

// conclude records the result of an examination, and shows it.
func (c *coach) conclude(dir string, result *examination) error {
	var notRecorded error
	if stepOf(dir) == 0 {
		_, notRecorded = c.update(func(r *record) {
			a := r.at(result.step)
			if r.Program == "" {
				r.Program, r.Step, a.Started = dir, result.step, time.Now()
			}
			if result.passed() && (a.Passed.IsZero() || a.Program != dir) {
				a.Passed, a.Program = time.Now(), dir
			}
		})
	}
	if c.shown == nil {
		c.bar(dir, result.step)
	}
	c.verdict(dir, result)
	c.shown = nil
	if notRecorded != nil {
		return notRecorded
	}
	if !result.passed() {
		return errMissing
	}
	return nil
}

// failed shows what the compiler says. Other errors are for the caller.
func (c *coach) failed(dir string, step int, err error) error {
	c.screen.settle()
	var wrong *compileError
	if !errors.As(err, &wrong) {
		return err
	}
	c.bar(dir, step)
	c.screen.say("  %s", c.screen.in(red, "✗ your program does not compile"))
	const most = 6
	for i, line := range wrong.lines {
		if i == most && len(wrong.lines) > most+1 {
			c.screen.say("    and %d more lines", len(wrong.lines)-most)
			break
		}
		c.screen.say("    %s", line)
	}
	return errMissing
}

// heading shows what the coach looks at.
func (c *coach) heading(step int, dir string) {
	name := fmt.Sprintf("Step %d: %s", step, title(step))
	room := max(3, min(70, c.screen.width)-len([]rune(name))-len([]rune(dir)))
	c.screen.say("%s%s%s", c.screen.in(bold, name), strings.Repeat(" ", room), c.screen.in(dim, dir))
}

// bar shows the steps that the learner has passed, and the current step. Our own programs have no progress to show.
func (c *coach) bar(dir string, current int) {
	r, err := c.load()
	if err != nil || stepOf(dir) != 0 {
		c.screen.say("")
		return
	}
	var parts []string
	for step := 1; step <= steps; step++ {
		switch {
		case !r.at(step).Passed.IsZero():
			parts = append(parts, c.screen.in(green, fmt.Sprintf("[%d ✓]", step)))
		case step == current:
			parts = append(parts, c.screen.in(yellow, fmt.Sprintf("[%d …]", step)))
		default:
			parts = append(parts, c.screen.in(dim, fmt.Sprintf("[%d]", step)))
		}
	}
	c.screen.say("%s\n", strings.Join(parts, " "))
}

// verdict shows the result of an examination: all that is there as one line, or what is missing first.
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
			c.screen.block("    ", dim, more+" (make check V=1 shows all)")
		}
	}
	if n := len(e.leftovers); n > 0 {
		c.screen.say("")
		c.screen.block("  ! ", yellow, "Your program left files behind: "+strings.Join(e.leftovers, ", "))
		c.screen.block("    ", dim, "They were in a copy of the file system that is thrown away, so there is nothing to clean up.")
	}
	if len(e.unprotected) > 0 {
		c.screen.say("")
		c.screen.block("  ! ", yellow, "The check could not protect these files of the host. Your program could change them, or found them read-only: "+strings.Join(e.unprotected, ", "))
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
		{"    ", f.Diagnosis}, {"    seen   ", f.Seen}, {"    why    ", f.Why}, {"    look   ", place(f.Where)}, {"    needs  ", f.Needs},
	} {
		if part.text != "" {
			c.screen.block(part.label, dim, part.text)
		}
	}
}

// more says how much else is missing.
func (e *examination) more(first check.Finding) string {
	waiting, lacking := e.count(check.Blocked), e.count(check.Lacks)
	if first.State == check.Lacks {
		lacking--
	} else {
		waiting--
	}
	var parts []string
	if waiting > 0 {
		parts = append(parts, plural(waiting, "other property waits", "other properties wait")+" for this one")
	}
	if lacking > 0 {
		parts = append(parts, plural(lacking, "more is missing", "more are missing"))
	}
	return strings.Join(parts, ", ")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
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
	c.screen.block("    ", dim, fmt.Sprintf("%s in %.1f seconds", plural(e.count(check.Has), "property", "properties"), e.took.Seconds()))
	if stepOf(dir) == 0 && !c.watched {
		c.screen.say("")
		c.screen.next("compare with ours", "make diff")
		c.screen.next("go further", "make stretch")
		if e.step < steps {
			c.screen.next("the next step", "make start")
		} else {
			c.screen.next("where it leads", "final/README.md")
		}
	}
}
