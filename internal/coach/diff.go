//go:build linux

package coach

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"container-workshop/internal/trace"
)

// diff shows what our program of a step adds to the step before. With a program of the learner, it shows how the kernel calls differ
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
	c.heading(step, dir)
	c.screen.say("")
	if err := c.prepare(step); err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(context.Background(), 20*time.Second)
	defer stop()
	free, err := alone(ctx)
	if err != nil {
		return err
	}
	defer free()
	c.screen.pass("  running your program and ours …")
	ours, err := c.calls(ctx, folder(step), step)
	if err != nil {
		return err
	}
	yours, err := c.calls(ctx, dir, step)
	if err != nil {
		return c.failed(dir, step, err)
	}
	c.compared(trace.Compare(ours, yours))
	c.screen.say("")
	c.screen.next("our source", fmt.Sprintf("make diff STEP=%d", step))
	return nil
}

// calls compiles the program in a folder, and returns the kernel calls that it makes for a container.
func (c *coach) calls(ctx context.Context, dir string, step int) ([]trace.Call, error) {
	if err := compile(ctx, dir); err != nil {
		return nil, err
	}
	cmd := asRoot(ctx, "build/check", "--trace", "--attended", "--step", fmt.Sprint(step), "--rootfs", c.Rootfs, executable)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	cmd.Cancel = stdin.Close
	var trouble strings.Builder
	cmd.Stderr = &trouble
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("the calls of %s: %w: %s", dir, err, strings.TrimSpace(trouble.String()))
	}
	if trouble.Len() > 0 {
		c.screen.block("  "+dir+": ", dim, strings.TrimSpace(trouble.String()))
	}
	var calls []trace.Call
	for lines := json.NewDecoder(bytes.NewReader(text)); lines.More(); {
		var call trace.Call
		if err := lines.Decode(&call); err != nil {
			return nil, fmt.Errorf("build/check: %w", err)
		}
		calls = append(calls, call)
	}
	return calls, nil
}

// compared shows the differences of two programs.
func (c *coach) compared(differences trace.Comparison) {
	switch {
	case len(differences) == 0:
		c.screen.say("  %s", c.screen.in(green, "✓ The same calls in the same order."))
	case differences.Equivalent():
		c.screen.say("  %s\n", c.screen.in(green, "✓ The same calls. The order is another one, and makes no difference:"))
	}
	colours := map[trace.Kind]string{trace.Missing: red, trace.Changed: red, trace.Extra: yellow, trace.Moved: dim}
	for _, d := range differences {
		c.screen.block("  "+string(d.Kind)+" ", colours[d.Kind], d.Call.String())
		c.screen.block("      ", dim, d.Text)
	}
}
