//go:build linux

package coach

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// diff shows what our program of a step adds to the step before, or with a program of the learner how its kernel calls differ
// from ours.
func (c *coach) diff() error {
	if c.Step != "" && c.Dir == "" {
		step, err := number(c.Step, "diff")
		if err != nil {
			return err
		}
		return c.change(step)
	}
	dir, step, err := c.target("diff")
	if err != nil {
		return err
	}
	return c.compare(dir, step)
}

// change shows what main.go of a step adds to main.go of the step before. Step 1 is shown whole.
func (c *coach) change(step int) error {
	after := filepath.Join(folder(step), "main.go")
	before := os.DevNull
	if step > 1 {
		before = filepath.Join(folder(step-1), "main.go")
	}
	colour := "--color=never"
	if c.screen.colours {
		colour = "--color=always"
	}
	cmd := exec.Command("diff", "-u", colour, "--label", before, "--label", after, before, after)
	cmd.Stdout, cmd.Stderr = c.screen.out, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	// diff exits with 1 where the files differ.
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return nil
	}
	return err
}

// compare shows how the kernel calls of the learner's program differ from ours.
func (c *coach) compare(dir string, step int) error {
	return fmt.Errorf("comparing the kernel calls of %s with ours comes soon. Our change: make diff STEP=%d", dir, step)
}
