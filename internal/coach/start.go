//go:build linux

package coach

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// skeleton is the main.go that a learner begins with.
//
//go:embed skeleton.txt
var skeleton []byte

// start begins a step. A program that has passed the step before stays as it is. start never overwrites a file.
func (c *coach) start() error {
	r, err := c.load()
	if err != nil {
		return err
	}
	step, err := c.startStep(r)
	if err != nil {
		return err
	}
	dir, err := c.startDir(r)
	if err != nil {
		return err
	}
	from, err := c.startFrom(r, step, dir)
	if err != nil {
		return err
	}
	if dir == r.Program && step == r.Step && from == dir {
		c.started(step, dir, from, true)
		return nil
	}
	if from != dir {
		if err := c.fill(dir, from, step); err != nil {
			return err
		}
	}
	_, err = c.update(func(r *record) {
		r.Program, r.Step = dir, step
		a := r.at(step)
		// Hints start again at the first.
		a.Started, a.Hints = time.Now(), 0
	})
	if err != nil {
		return err
	}
	c.started(step, dir, from, false)
	return nil
}

// errAllPassed is the answer to a wish for an eighth step.
var errAllPassed = errors.New("you have passed all seven steps. Where they lead: final/README.md. More to do: make stretch STEP=1 (to 7) tries the exercises beyond a step")

// startStep returns the step to begin. The default is the next one.
func (c *coach) startStep(r *record) (int, error) {
	switch {
	case c.Step != "":
		return number(c.Step, "start")
	case r.Step == 0:
		return 1, nil
	case !r.passed(r.Step, r.Program) && (c.Dir == "" || filepath.Clean(c.Dir) == r.Program):
		return r.Step, nil
	case !r.passed(r.Step, r.Program):
		return 0, fmt.Errorf("%s has not passed step %d yet: make watch checks it at each save. To skip the step: make start STEP=%[3]d DIR=work/step%[3]d",
			r.Program, r.Step, min(r.Step+1, steps))
	case r.Step == steps:
		return 0, errAllPassed
	}
	return r.Step + 1, nil
}

// startDir returns the folder of the program. The default is the current one.
func (c *coach) startDir(r *record) (string, error) {
	dir := c.Dir
	if dir == "" {
		dir = r.Program
	}
	if dir == "" {
		dir = "work/mine"
	}
	return inWorkshop(dir)
}

// startFrom returns the folder to copy the program from: the program's own folder if the program goes on as it is, and an empty
// name for the skeleton.
func (c *coach) startFrom(r *record, step int, dir string) (string, error) {
	if _, err := os.Lstat(filepath.Join(dir, "main.go")); err == nil {
		switch {
		case r.Program == dir && r.Step == step:
			return dir, nil
		case c.From == "" && step > 1 && r.passed(step-1, dir):
			return dir, nil
		case step > 1:
			return "", fmt.Errorf("%[1]s/main.go exists already and has not passed step %[2]d: check it with make check STEP=%[2]d DIR=%[1]s, "+
				"or start in another folder: make start STEP=%[3]d DIR=work/step%[3]d", dir, step-1, step)
		}
		return "", fmt.Errorf("%[1]s/main.go exists already. To go on with this program, name its step: make check STEP=%[2]d DIR=%[1]s. "+
			"To begin anew: make start DIR=work/again", dir, step)
	}
	switch {
	case c.From != "":
		return c.From, nil
	case step == 1:
		return "", nil
	case r.Program != "" && r.passed(step-1, r.Program):
		return r.Program, nil
	}
	return folder(step - 1), nil
}

// fill writes the files of a new program.
func (c *coach) fill(dir, from string, step int) error {
	source := from
	if source == "" {
		source = folder(1)
	}
	files, err := filepath.Glob(filepath.Join(source, "*.go"))
	if err != nil {
		return err
	}
	texts := map[string][]byte{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		if texts[filepath.Base(file)], err = os.ReadFile(file); err != nil {
			return err
		}
	}
	if texts["main.go"] == nil {
		return fmt.Errorf("FROM=%s: there is no main.go: make start STEP=%d FROM=%s", source, step, folder(max(step-1, 1)))
	}
	if from == "" {
		texts["main.go"] = skeleton
	}
	for name := range texts {
		path := filepath.Join(dir, name)
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s exists already: choose another DIR=", path)
		}
	}
	if err := makeDir(dir); err != nil {
		return err
	}
	for name, text := range texts {
		if err := create(filepath.Join(dir, name), text); err != nil {
			return err
		}
	}
	return nil
}

// create writes a new file. It fails if the file exists.
func create(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	own(path)
	_, err = file.Write(text)
	return errors.Join(err, file.Close())
}

// started says what the learner has now, and what to do next. It is again if the learner has begun the step before. A watch shows all
// this itself.
func (c *coach) started(step int, dir, from string, again bool) {
	if c.watched {
		return
	}
	c.heading(step, dir)
	c.onPage(dir, step)
	r, err := c.load()
	passed := err == nil && r.passed(step, dir)
	c.bar(dir, step, passed)
	switch {
	case from == "":
		c.screen.say("  %s/main.go is yours to write: run and child are empty. process.go is given.", dir)
	case again && passed:
		c.screen.say("  %s has passed this step.", dir)
	case again:
		c.screen.say("  %s is at this step, and has not passed it yet.", dir)
		if step < steps {
			c.screen.say("  To skip the step: make start STEP=%[1]d DIR=work/step%[1]d", step+1)
		}
	case from == dir:
		c.screen.say("  %s goes on: it has passed step %d.", dir, step-1)
	default:
		c.screen.say("  %s is a copy of %s.", dir, from)
	}
	c.screen.say("")
	c.screen.next("the lesson", folder(step)+"/README.md")
	c.screen.next("write, and see", "make watch")
	c.screen.next("check once", "make check")
	c.screen.next("a hint", "make hint")
}
