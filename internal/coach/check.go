//go:build linux

package coach

import (
	"context"
	"errors"
	"time"

	"container-workshop/internal/check"
	"container-workshop/internal/live"
)

// check examines the learner's program once.
func (c *coach) check() error {
	dir, step, err := c.target("check")
	if err != nil {
		return err
	}
	c.heading(step, dir)
	live.Check(".")
	c.onPage(dir, step)
	return c.examineOnce(context.Background(), dir, step)
}

// examineOnce compiles and examines a program, records that it has passed, and shows the result.
func (c *coach) examineOnce(ctx context.Context, dir string, step int) error {
	if err := c.prepare(step); err != nil {
		return err
	}
	c.screen.pass("  compiling %s …", dir)
	c.tell(live.Compiling)
	result, err := c.examine(ctx, dir, step, c.flags(), func(e *examination) { c.follow(dir, e) })
	if err != nil {
		c.tellFailure(err)
		return c.failed(dir, step, err)
	}
	return c.conclude(dir, result)
}

// follow shows the progress of an examination. It shows the first problem as soon as it is certain.
func (c *coach) follow(dir string, e *examination) {
	first := e.missing()
	if first != nil && first.State == check.Lacks && first.Step == e.step && c.shown == nil && !c.Verbose {
		c.shown = first
		c.bar(dir, e.step, false)
		c.finding(*first)
	}
	c.tellFindings(live.Checking, e)
	c.screen.pass("  checking … %d: %s", len(e.findings), e.findings[len(e.findings)-1].Property)
}

// flags returns the flags for build/check.
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
		c.bar(dir, result.step, result.passed())
	}
	c.tellResult(result)
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
	c.bar(dir, step, false)
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
