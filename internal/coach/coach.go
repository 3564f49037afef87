//go:build linux

// Package coach takes the learner through the steps. It knows the learner's program and its current step, and has the learner's
// verbs of make: start, check, watch, progress, hint, diff and stretch.
//
// The coach runs as the learner: it compiles, draws and talks. For the work that needs root it starts build/check
// (internal/check/cmd), which examines one program and prints its findings. All paths are relative to the top of the workshop, where
// make starts the coach.
package coach

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"container-workshop/internal/check"
	"container-workshop/internal/live"
)

// Settings are the variables that the learner typed after a verb. For an empty setting the record counts.
type Settings struct {
	// Step is a number from 1 to 7, as typed.
	Step string
	// Dir is the folder of a program, and From the folder that a new program is copied from.
	Dir, From string
	// Level is the number of a hint, 1 to 3, as typed.
	Level string
	// All checks all properties of all steps up to Step, Verbose shows all findings, and Reset empties the record.
	All, Verbose, Reset bool
	// Rootfs is the root directory of the containers.
	Rootfs string
}

// A coach runs one verb.
type coach struct {
	Settings
	screen *screen
	// shown is the finding of the running examination that is already on the screen.
	shown *check.Finding
	// watched is true in a watch, which offers keys where other verbs name commands.
	watched bool
	// live is what the web pages show of the examination.
	live live.State
}

var verbs = map[string]func(*coach) error{
	"start":    (*coach).start,
	"check":    (*coach).check,
	"stretch":  (*coach).stretch,
	"watch":    (*coach).watch,
	"progress": (*coach).progress,
	"hint":     (*coach).hint,
	"diff":     (*coach).diff,
}

// errMissing is the error of a check that has found and shown something missing.
var errMissing = errors.New("something is missing")

// Do runs a verb, and returns the exit status: 0 if all is well, 1 if something is missing or failed.
func Do(verb string, settings Settings) int {
	do, ok := verbs[verb]
	if !ok {
		fmt.Fprintf(os.Stderr, "coach: %q is no verb: want start, check, watch, progress, hint, diff or stretch\n", verb)
		return 1
	}
	switch err := do(&coach{Settings: settings, screen: newScreen(os.Stdout)}); {
	case errors.Is(err, errMissing):
		return 1
	case err != nil:
		fmt.Fprintf(os.Stderr, "%s: %v\n", verb, err)
		return 1
	}
	return 0
}

// target returns the program and the step of a verb, from the settings or else from the record.
func (c *coach) target(verb string) (dir string, step int, err error) {
	r, err := c.load()
	if err != nil {
		return "", 0, err
	}
	dir, step = r.Program, r.Step
	if c.Dir != "" {
		if dir, err = inWorkshop(c.Dir); err != nil {
			return "", 0, err
		}
	}
	if c.Step != "" {
		if step, err = number(c.Step, verb); err != nil {
			return "", 0, err
		}
	} else if ours := stepOf(dir); ours != 0 {
		step = ours
	}
	switch {
	case dir == "" && step == 0 && exists("work/mine/main.go"):
		return "", 0, fmt.Errorf("no program is recorded. If work/mine is yours, name its step: make %s STEP=1 DIR=work/mine", verb)
	case dir == "" && step == 0:
		return "", 0, errors.New("you have no program yet: make start begins with step 1")
	case dir == "":
		return "", 0, fmt.Errorf("you have no program yet: make start STEP=%d. To try this with our program: make %s STEP=%d DIR=%s",
			step, verb, step, folder(step))
	case step == 0:
		return "", 0, fmt.Errorf("which step is %s? make %s STEP=3 DIR=%s", dir, verb, dir)
	}
	if _, err := os.Stat(filepath.Join(dir, "main.go")); err != nil {
		return "", 0, fmt.Errorf("%w: make start DIR=%s makes a program there", err, dir)
	}
	return dir, step, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// number parses STEP.
func number(typed, verb string) (int, error) {
	if len(typed) != 1 || typed < "1" || typed > "7" {
		return 0, fmt.Errorf("STEP=%s: there is no such step: make %s STEP=3 (1 to 7)", typed, verb)
	}
	return int(typed[0] - '0'), nil
}

// inWorkshop returns the path of a folder relative to the top of the workshop. Only there does Go find the libraries, which go.mod names.
func inWorkshop(dir string) (string, error) {
	if strings.ContainsAny(dir, " \t\n") {
		return "", fmt.Errorf("DIR=%s: Go takes no spaces in a path: choose another DIR=", dir)
	}
	top, err := filepath.EvalSymlinks(".")
	if err == nil {
		top, err = filepath.Abs(top)
	}
	if err != nil {
		return "", err
	}
	path, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	inside, err := filepath.Rel(top, path)
	if err != nil || inside == "." || !filepath.IsLocal(inside) {
		return "", fmt.Errorf("DIR=%s is outside of the workshop, whose libraries your program needs: use DIR=work/mine", dir)
	}
	return inside, nil
}
