//go:build linux

package coach

import (
	"context"
	"fmt"
	"slices"

	"container-workshop/internal/check"
)

// stretch examines the learner's program for the exercises beyond its step.
func (c *coach) stretch() error {
	dir, step, err := c.target("stretch")
	if err != nil {
		return err
	}
	c.screen.say("%s   %s\n", c.screen.in(bold, fmt.Sprintf("Beyond step %d", step)), c.screen.in(dim, dir))
	if err := c.prepare(step); err != nil {
		return err
	}
	ctx := context.Background()
	c.screen.pass("  compiling %s …", dir)
	result, err := c.examine(ctx, dir, step, []string{"--stretch"}, func(*examination) { c.screen.pass("  checking …") })
	if err != nil {
		return c.failed(dir, step, err)
	}
	// The findings about older properties come first, and are no exercises.
	result.findings = slices.DeleteFunc(result.findings, func(f check.Finding) bool {
		return f.State == check.Has && slices.ContainsFunc(check.Properties, func(p check.Property) bool { return p.Name == f.Property })
	})
	for _, f := range result.findings {
		c.finding(f)
	}
	c.screen.say("")
	if stepOf(dir) == 0 {
		_, err = c.update(func(r *record) {
			for _, f := range result.findings {
				if f.State == check.Has {
					r.at(step).solve(f.Property)
				}
			}
		})
	}
	switch {
	case err != nil:
		return err
	case !result.passed():
		c.screen.say("%d of %d exercises solved.", result.count(check.Has), len(result.findings))
		return errMissing
	}
	c.screen.say("%s", c.screen.in(green, fmt.Sprintf("All exercises beyond step %d are solved.", step)))
	return nil
}
