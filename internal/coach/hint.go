//go:build linux

package coach

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// hint shows the next of the three hints for a step. After the third it shows the third again. With a level it shows that hint.
// In a step that has been started, a higher level counts, too.
func (c *coach) hint() error {
	r, err := c.load()
	if err != nil {
		return err
	}
	step := r.Step
	switch {
	case c.Step != "":
		if step, err = number(c.Step, "hint"); err != nil {
			return err
		}
	case step == 0:
		return fmt.Errorf("which step? make hint STEP=3 (1 to 7)")
	}
	level, following := min(3, r.at(step).Hints+1), "make hint"
	if c.Step != "" {
		following = fmt.Sprintf("make hint STEP=%d", step)
	}
	if c.Level != "" {
		if len(c.Level) != 1 || c.Level < "1" || c.Level > "3" {
			return fmt.Errorf("LEVEL=%s: there is no such hint: make hint STEP=%d LEVEL=2 (1 to 3)", c.Level, step)
		}
		level = int(c.Level[0] - '0')
		following = fmt.Sprintf("make hint STEP=%d LEVEL=%d", step, level+1)
		if a := r.at(step); !a.Started.IsZero() && a.Hints < level {
			if _, err := c.update(func(r *record) { r.at(step).Hints = level }); err != nil {
				return err
			}
		}
	} else if _, err := c.update(func(r *record) { r.at(step).Hints = level }); err != nil {
		// Before it is shown: a pager may cut it short.
		return fmt.Errorf("%w, so there is no next hint. Name it: make hint STEP=%d LEVEL=%d", err, step, level)
	}
	text, err := os.ReadFile(filepath.Join(folder(step), "HINTS.md"))
	if err != nil {
		return err
	}
	c.screen.say("%s\n", c.screen.in(bold, fmt.Sprintf("Hint %d of 3 for step %d", level, step)))
	c.screen.say("%s\n", readable(section(string(text), fmt.Sprintf("## Hint %d\n", level)), c.screen.width))
	if level < 3 {
		if c.watched {
			following = "press h"
		}
		c.screen.say("The next hint: %s", following)
		return nil
	}
	c.screen.say("That was the last hint. The solution: make diff STEP=%d", step)
	c.screen.say("The first one again: make hint STEP=%d LEVEL=1", step)
	return nil
}

// section returns the text below a heading of Markdown.
func section(text, heading string) string {
	_, text, _ = strings.Cut(text, heading)
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}
