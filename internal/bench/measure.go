//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A bench is one measurement of everything.
type bench struct {
	settings
	dir      string
	template []byte
	peers    []*peer
	// engines are in the table of networks only.
	engines []*peer
	missing []string
	random  *rand.Rand
	tables  []table
}

// A table has a row for each thing that is measured, and a column for each peer.
type table struct {
	name, about string
	rows        []row
}

// A row has a cell for each peer that can do what is measured.
type row struct {
	name, unit string
	// pairs says that a value is the difference of two, and so the smallest one means nothing.
	pairs bool
	cells map[string]cell
}

// Units of which more is better.
const (
	perSecond      = "containers/s"
	bytesPerSecond = "MiB/s"
)

func (r row) moreIsBetter() bool { return r.unit == perSecond || r.unit == bytesPerSecond }

// A cell has what was measured, or why nothing could be.
type cell struct {
	values []float64
	failed error
}

func (c cell) median() float64 {
	sorted := slices.Sorted(slices.Values(c.values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// limit is the time that one command may take.
const limit = 20 * time.Second

// A task measures one peer once.
type task struct {
	peer    string
	measure func() (float64, error)
}

// The rest before each run. After this time the kernel has no grace period in progress that a run could profit from.
const (
	warm = 0
	cold = 60 * time.Millisecond
)

// alternate measures all tasks in each round, in an order drawn anew, so that they share what disturbs the machine. The first round
// fills caches and does not count. A task that fails is not tried again.
func (b *bench) alternate(name, unit string, runs int, rest time.Duration, tasks []task) row {
	r := row{name: name, unit: unit, cells: map[string]cell{}}
	for round := range runs + 1 {
		for _, i := range b.random.Perm(len(tasks)) {
			t := tasks[i]
			c := r.cells[t.peer]
			if c.failed != nil {
				continue
			}
			time.Sleep(rest)
			value, err := t.measure()
			if err != nil {
				c = cell{failed: err}
			} else if round > 0 {
				c.values = append(c.values, value)
			}
			r.cells[t.peer] = c
		}
	}
	b.show(r)
	return r
}

// show prints a row for those who wait.
func (b *bench) show(r row) {
	fmt.Printf("%-44s", r.name)
	for _, name := range slices.Sorted(maps.Keys(r.cells)) {
		fmt.Printf("  %s %s", name, r.cells[name].text(r))
	}
	fmt.Println(" " + r.unit)
}

// clock runs a command, and returns how many milliseconds it took.
func (b *bench) clock(line ...string) (float64, error) {
	cmd, finish, err := b.prepare(line)
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	err = cmd.Run()
	took := float64(time.Since(begin).Microseconds()) / 1000
	return took, finish(err)
}

// plain finds the message in a line of a log, as runc writes it.
var plain = regexp.MustCompile(`^time=\S+ level=\S+ msg="(.*)"$`)

// prepare returns a command without input and output. Its errors go to a file: a pipe would stay open as long as a container that
// goes on. After the command, finish adds what it has said to its error.
func (b *bench) prepare(line []string) (*exec.Cmd, func(error) error, error) {
	said, err := os.CreateTemp(b.dir, "stderr-")
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Stderr = said
	return cmd, func(err error) error {
		defer cancel()
		text, _ := os.ReadFile(said.Name())
		_, _ = said.Close(), os.Remove(said.Name())
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			err = fmt.Errorf("no end after %v", limit)
		}
		if line := lastLine(string(text)); line != "" {
			err = fmt.Errorf("%w: %s", err, plain.ReplaceAllString(line, "$1"))
		}
		return errors.New(strings.ReplaceAll(err.Error(), b.dir+"/", ""))
	}, nil
}

// path is a file of the folder in memory.
func (b *bench) path(names ...string) string {
	return filepath.Join(append([]string{b.dir}, names...)...)
}

// each makes a task for every peer that is chosen.
func (b *bench) each(chosen func(*peer) bool, measure func(*peer) (float64, error)) []task {
	var tasks []task
	for _, p := range b.peers {
		if chosen(p) {
			tasks = append(tasks, task{p.name, func() (float64, error) { return measure(p) }})
		}
	}
	return tasks
}

func all(*peer) bool         { return true }
func isFinal(p *peer) bool   { return p.name == final || p.name == before }
func isRuntime(p *peer) bool { return p.runtime }
func knowsExec(p *peer) bool { return p.runtime || p.name == bareCalls }
func hasLimits(p *peer) bool { return p.name != bubblewrap }

// fewer is the number of runs of a row that takes long.
func (b *bench) fewer() int { return max(b.few(3, 1), b.runs/8) }

// few returns n, or the other number for a quick run.
func (b *bench) few(n, quick int) int {
	if b.quick {
		return quick
	}
	return n
}
