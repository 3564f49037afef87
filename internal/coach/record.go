//go:build linux

package coach

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// recordFile is the file of the learner's record.
const recordFile = "work/.progress"

// A record is what the coach remembers of the learner.
type record struct {
	// Program is the folder of the learner's current program, and Step its current step.
	Program string
	Step    int
	Steps   map[int]*attempt
}

// An attempt is what the coach remembers of a step.
type attempt struct {
	// Started is when the learner started the step, and Passed when a program of the learner passed it.
	Started, Passed time.Time `json:",omitzero"`
	// Program is the folder of the program that passed.
	Program string `json:",omitempty"`
	// Hints is the highest level of hint that the learner has seen.
	Hints int `json:",omitempty"`
	// Stretch has the exercises beyond the step that are solved.
	Stretch []string `json:",omitempty"`
}

// at returns the attempt at a step.
func (r *record) at(step int) *attempt {
	if r.Steps[step] == nil {
		r.Steps[step] = &attempt{}
	}
	return r.Steps[step]
}

// passed reports whether the program has passed the step.
func (r *record) passed(step int, program string) bool {
	a := r.at(step)
	return !a.Passed.IsZero() && a.Program == program
}

// load reads the record. It sets a damaged file aside, names it, and returns an empty record.
func (c *coach) load() (*record, error) {
	empty := &record{Steps: map[int]*attempt{}}
	text, err := os.ReadFile(recordFile)
	if errors.Is(err, fs.ErrNotExist) {
		return empty, nil
	}
	if err != nil {
		return nil, fmt.Errorf("your progress: %w (if the file belongs to root: sudo chown \"$USER\" %s)", err, recordFile)
	}
	r := &record{}
	if err = json.Unmarshal(text, r); err == nil {
		err = r.plausible()
	}
	if err == nil {
		return r, nil
	}
	aside := recordFile + ".broken"
	if moveErr := os.Rename(recordFile, aside); moveErr != nil {
		return nil, fmt.Errorf("your progress is damaged: %w (remove %s)", moveErr, recordFile)
	}
	fmt.Fprintf(os.Stderr, "%s is damaged (%v). It is now %s, and your progress begins anew. Your programs are untouched.\n", recordFile, err, aside)
	return empty, nil
}

// plausible returns an error if the record holds something that the coach never writes.
func (r *record) plausible() error {
	if r.Step < 0 || r.Step > steps {
		return fmt.Errorf("step %d", r.Step)
	}
	for step, a := range r.Steps {
		if step < 1 || step > steps || a == nil {
			return fmt.Errorf("step %d", step)
		}
	}
	if r.Steps == nil {
		r.Steps = map[int]*attempt{}
	}
	return nil
}

// update changes the record. It reads the record again first, because a watch in another terminal may have written it.
func (c *coach) update(change func(*record)) (*record, error) {
	r, err := c.load()
	if err != nil {
		return nil, err
	}
	change(r)
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := replace(recordFile, append(text, '\n')); err != nil {
		return nil, fmt.Errorf("your progress is not recorded: %w (make work/ yours: sudo chown -R \"$USER\" work)", err)
	}
	return r, nil
}

// replace writes a whole file, or nothing.
func replace(path string, text []byte) error {
	dir := filepath.Dir(path)
	if err := makeDir(dir); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.Write(text)
	err = errors.Join(err, file.Chmod(0o644), file.Close())
	if err != nil {
		return err
	}
	own(file.Name())
	return os.Rename(file.Name(), path)
}

// makeDir makes a folder and its parents, for the learner.
func makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := makeDir(filepath.Dir(dir)); err != nil {
		return err
	}
	err := os.Mkdir(dir, 0o755)
	if err == nil {
		own(dir)
	}
	return err
}

// own gives a file to the caller of sudo. A synced folder may refuse: all files there belong to the learner anyway.
func own(path string) {
	uid, err := strconv.Atoi(os.Getenv("SUDO_UID"))
	gid, gidErr := strconv.Atoi(os.Getenv("SUDO_GID"))
	if os.Geteuid() == 0 && err == nil && gidErr == nil {
		os.Lchown(path, uid, gid)
	}
}

// solve remembers an exercise.
func (a *attempt) solve(exercise string) {
	if !slices.Contains(a.Stretch, exercise) {
		a.Stretch = append(a.Stretch, exercise)
	}
}
