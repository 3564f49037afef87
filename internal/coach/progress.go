//go:build linux

package coach

import (
	"fmt"
	"strings"
	"time"

	"container-workshop/internal/check"
)

// progress shows the seven steps: which are passed, when, in what time, with how many hints and exercises.
func (c *coach) progress() error {
	if c.Reset {
		return c.reset()
	}
	r, err := c.load()
	if err != nil {
		return err
	}
	if r.Program == "" {
		c.screen.say("You have not started yet. Begin with step 1: make start")
		return nil
	}
	c.screen.say("%s at step %d\n", c.screen.in(bold, r.Program), r.Step)
	for step := 1; step <= steps; step++ {
		c.row(r, step)
	}
	c.screen.say("")
	switch {
	case !r.passed(r.Step, r.Program):
		c.screen.next("next", "make watch")
	case r.Step < steps:
		c.screen.next("next", "make start")
	default:
		c.screen.next("where it leads", "final/README.md")
	}
	c.screen.next("go further", "make stretch")
	return nil
}

// row shows a step.
func (c *coach) row(r *record, step int) {
	a := r.at(step)
	sign, colour := " ", dim
	var said []string
	switch {
	case !a.Passed.IsZero():
		sign, colour = "✓", green
		passed := "passed " + when(a.Passed)
		if !a.Started.IsZero() && a.Passed.After(a.Started) {
			passed += ", in " + length(a.Passed.Sub(a.Started))
		}
		said = append(said, passed)
	case !a.Started.IsZero():
		sign, colour = "…", yellow
		said = append(said, "started "+when(a.Started))
	}
	if a.Hints > 0 {
		said = append(said, plural(a.Hints, "hint", "hints"))
	}
	if len(a.Stretch) > 0 {
		said = append(said, fmt.Sprintf("%d of %d exercises beyond", len(a.Stretch), len(check.Beyond(step))))
	}
	c.screen.say("%s", strings.TrimRight(fmt.Sprintf("  %s %-20s %s", c.screen.in(colour, fmt.Sprintf("%d %s", step, sign)), title(step), strings.Join(said, " · ")), " "))
}

// reset empties the record.
func (c *coach) reset() error {
	var before record
	_, err := c.update(func(r *record) {
		before = *r
		*r = record{Steps: map[int]*attempt{}}
	})
	if err != nil {
		return err
	}
	c.screen.say("Your progress is empty again. Your programs are untouched.\n")
	if before.Program != "" {
		c.screen.next("go on as before", fmt.Sprintf("make check STEP=%d DIR=%s", before.Step, before.Program))
	}
	c.screen.next("begin anew", "make start DIR=work/again")
	return nil
}

// when formats a time: the hour for today, otherwise the day, too.
func when(t time.Time) string {
	t = t.Local()
	if y, m, d := t.Date(); time.Date(y, m, d, 0, 0, 0, 0, time.Local).AddDate(0, 0, 1).Before(time.Now()) {
		return t.Format("on 2 Jan, 15:04")
	}
	return "at " + t.Format("15:04")
}

// length formats a duration in words.
func length(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "less than a minute"
	case d < 2*time.Hour:
		return plural(int(d.Minutes()), "minute", "minutes")
	case d < 48*time.Hour:
		return plural(int(d.Hours()), "hour", "hours")
	}
	return plural(int(d.Hours()/24), "day", "days")
}
