//go:build linux

package coach

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"container-workshop/internal/check"
)

// executable returns the path of a compiled program.
const executable = "build/program"

// An examination holds the findings about a program.
type examination struct {
	step     int
	findings []check.Finding
	// leftovers are the files that the program left behind. unprotected are the folders of the host that were read-only for it.
	leftovers, unprotected []string
	took                   time.Duration
}

// passed reports whether nothing is missing.
func (e *examination) passed() bool { return e.missing() == nil }

// missing returns the finding to mend first: one of the newest step if there is one, otherwise one of the oldest.
func (e *examination) missing() *check.Finding {
	var first *check.Finding
	for i, f := range e.findings {
		if f.State != check.Lacks && f.State != check.Blocked {
			continue
		}
		if first == nil || first.State == check.Blocked && f.State == check.Lacks ||
			first.State == f.State && first.Step < e.step && f.Step == e.step {
			first = &e.findings[i]
		}
	}
	return first
}

// count returns how many findings have the state.
func (e *examination) count(state check.State) int {
	n := 0
	for _, f := range e.findings {
		if f.State == state {
			n++
		}
	}
	return n
}

// A compileError is what the compiler says about a program.
type compileError struct{ lines []string }

func (e *compileError) Error() string { return strings.Join(e.lines, "\n") }

// compile builds the program, as the learner.
func compile(ctx context.Context, dir string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", executable, "./"+dir)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	output, err := cmd.CombinedOutput()
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return fmt.Errorf("%w (what to do about it: make doctor)", err)
	}
	failed := &compileError{}
	for line := range strings.Lines(string(output)) {
		// The name of the package adds nothing to the paths.
		if line = strings.TrimRight(line, "\n"); !strings.HasPrefix(line, "# ") && line != "" {
			failed.lines = append(failed.lines, strings.ReplaceAll(line, "\t", "    "))
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "process.go")); err != nil {
		failed.lines = append(failed.lines, fmt.Sprintf("process.go is missing: cp %s/process.go %s/", folder(1), dir))
	}
	return failed
}

// asRoot returns a command that runs as root.
func asRoot(ctx context.Context, args ...string) *exec.Cmd {
	if os.Geteuid() != 0 {
		args = append([]string{"sudo"}, args...)
	}
	return exec.CommandContext(ctx, args[0], args[1:]...)
}

// prepare does everything that may ask the learner something, before an examination.
func (c *coach) prepare(step int) error {
	if err := c.authorise(); err != nil {
		return err
	}
	return c.needRootfs(step)
}

// authorise lets sudo ask for the password before anything else is printed.
func (c *coach) authorise() error {
	if os.Geteuid() == 0 || exec.Command("sudo", "-n", "true").Run() == nil {
		return nil
	}
	c.screen.settle()
	cmd := exec.Command("sudo", "-v")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("containers need root: sudo -v: %w (see make doctor)", err)
	}
	return nil
}

// alone waits until no other coach examines a program: coaches compile to the same place, and the containers of two examinations
// would disturb each other. Call the function that it returns at the end.
func alone(ctx context.Context) (func(), error) {
	if err := makeDir("build"); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile("build/.coach", os.O_RDONLY|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	for unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		select {
		case <-ctx.Done():
			lock.Close()
			return nil, errors.New("another check is running: try again when it has ended")
		case <-time.After(saveTime):
		}
	}
	return func() { lock.Close() }, nil
}

// needRootfs makes the root file system for the steps that need one.
func (c *coach) needRootfs(step int) error {
	if _, err := os.Stat(c.Rootfs); err == nil || step < 4 {
		return nil
	}
	c.screen.settle()
	cmd := asRoot(context.Background(), "scripts/rootfs.sh", c.Rootfs)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("no root file system: scripts/rootfs.sh: %w (see above, and make doctor)", err)
	}
	return nil
}

// examine compiles a program and has it examined by build/check. It calls seen for each finding as soon as there is one.
func (c *coach) examine(ctx context.Context, dir string, step int, flags []string, seen func(*examination)) (*examination, error) {
	free, err := alone(ctx)
	if err != nil {
		return nil, err
	}
	defer free()
	if err := compile(ctx, dir); err != nil {
		return nil, err
	}
	args := append([]string{"build/check", "--attended", "--step", fmt.Sprint(step), "--rootfs", c.Rootfs}, flags...)
	cmd := asRoot(ctx, append(args, executable)...)
	result := &examination{step: step}
	var trouble strings.Builder
	cmd.Stderr = &trouble
	findings, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	// The end of its standard input ends the examination. A signal would not reach it: sudo runs as root.
	cmd.Cancel = stdin.Close
	cmd.WaitDelay = 10 * time.Second
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	whole, err := result.read(findings, seen)
	ended := cmd.Wait()
	result.took = time.Since(began)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, err
	case !whole && trouble.Len() > 0:
		return nil, errors.New(strings.TrimSpace(trouble.String()))
	case !whole:
		return nil, fmt.Errorf("the examination has ended early: %w", ended)
	}
	return result, nil
}

// read reads the findings, and reports whether the final summary came.
func (e *examination) read(from io.Reader, seen func(*examination)) (whole bool, err error) {
	lines := json.NewDecoder(from)
	for {
		var line struct {
			check.Finding
			Leftovers   *[]string
			Unprotected []string
		}
		switch err := lines.Decode(&line); {
		case errors.Is(err, io.EOF):
			return whole, nil
		case err != nil:
			return whole, fmt.Errorf("build/check: %w", err)
		case line.Leftovers != nil:
			whole, e.leftovers, e.unprotected = true, *line.Leftovers, line.Unprotected
		default:
			e.findings = append(e.findings, line.Finding)
			seen(e)
		}
	}
}
