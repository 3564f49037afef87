//go:build linux

package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"
)

// measureThroughput counts the containers that come and go in a second, with several at a time.
func (b *bench) measureThroughput() error {
	t := table{name: "Many containers", about: throughputAbout}
	for _, atOnce := range []int{1, 4, 8} {
		tasks := b.each(all, func(p *peer) (float64, error) { return b.rate(p, b.few(40, 8), atOnce) })
		t.rows = append(t.rows, b.alternate(fmt.Sprintf("%d at a time", atOnce), perSecond, b.fewer(), warm, tasks))
	}
	b.tables = append(b.tables, t)
	return nil
}

// rate returns how many containers a second come and go.
func (b *bench) rate(p *peer, count, atOnce int) (float64, error) {
	lines := make([][]string, count)
	for i := range lines {
		var err error
		if lines[i], err = p.run(b, container{id: fmt.Sprintf("load-%d", i), args: toTrue}); err != nil {
			return 0, err
		}
	}
	begin := time.Now()
	err := inParallel(count, atOnce, func(i int) error {
		_, err := b.clock(lines[i]...)
		return err
	})
	return float64(count) / time.Since(begin).Seconds(), err
}

// inParallel does something count times, atOnce at a time.
func inParallel(count, atOnce int, do func(int) error) error {
	next := make(chan int)
	errs := make(chan error, count)
	var workers sync.WaitGroup
	for range atOnce {
		workers.Go(func() {
			for i := range next {
				errs <- do(i)
			}
		})
	}
	for i := range count {
		next <- i
	}
	close(next)
	workers.Wait()
	close(errs)
	var all []error
	for err := range errs {
		all = append(all, err)
	}
	return errors.Join(all...)
}

// measureCrowd compares a container that is alone with one beside many others of the same runtime.
func (b *bench) measureCrowd() error {
	others := b.few(199, 5)
	alone := row{name: "the first", unit: "ms", cells: map[string]cell{}}
	crowded := row{name: fmt.Sprintf("while %d others run", others), unit: "ms", cells: map[string]cell{}}
	ratio := row{name: "beside others / alone", unit: "×", cells: map[string]cell{}}
	for _, p := range b.peers {
		if !p.runtime {
			continue
		}
		tasks := []task{{p.name, func() (float64, error) { return b.run(p, container{id: "run", args: toTrue}) }}}
		first := b.alternate(alone.name, "ms", b.runs, warm, tasks).cells[p.name]
		err := b.fill(p, others)
		second := cell{failed: err}
		if err == nil {
			second = b.alternate(crowded.name, "ms", b.runs, warm, tasks).cells[p.name]
		}
		_ = inParallel(others, 4, func(i int) error {
			b.remove(p, fmt.Sprintf("other-%d", i))
			return nil
		})
		alone.cells[p.name], crowded.cells[p.name] = first, second
		if first.failed == nil && second.failed == nil {
			ratio.cells[p.name] = cell{values: []float64{second.median() / first.median()}}
		}
	}
	b.tables = append(b.tables, table{name: "Among others", about: crowdAbout, rows: []row{alone, crowded, ratio}})
	return nil
}

// fill starts many containers that sleep, and waits until all do.
func (b *bench) fill(p *peer, count int) error {
	err := inParallel(count, 4, func(i int) error {
		line, err := p.onBundle(b, container{id: fmt.Sprintf("other-%d", i), args: toSleep}, "run", "--detach")
		if err == nil {
			_, err = b.clock(line...)
		}
		return err
	})
	for deadline := time.Now().Add(limit); err == nil && len(commands()) < count; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("of %d containers, %d run", count, len(commands()))
		}
	}
	return err
}

// measureBinds adds bind mounts to the minimal configuration.
func (b *bench) measureBinds() error {
	t := table{name: "Bind mounts", about: bindsAbout}
	for _, binds := range []int{10, 100, b.few(mostBinds, 200)} {
		tasks := b.each(all, func(p *peer) (float64, error) { return b.run(p, container{id: "binds", binds: binds, args: toTrue}) })
		t.rows = append(t.rows, b.alternate(fmt.Sprintf("%d bind mounts", binds), "ms", b.fewer(), warm, tasks))
	}
	b.tables = append(b.tables, t)
	return nil
}

// floors are the limits that are tried, in KiB.
var floors = []int64{128, 256, 384, 512, 640, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288, 16384, 32768, 65536}

// measureMemory finds the smallest limit of memory under which a container works, and what the helpers of a container cost.
func (b *bench) measureMemory() error {
	t := table{name: "Memory", about: memoryAbout}
	t.rows = append(t.rows, b.alternate("smallest limit", "KiB", 1, warm, b.each(hasLimits, b.floor)))
	c := container{id: "memory", args: toSleep}
	times := b.few(5, 1)
	for _, state := range []struct {
		name   string
		chosen func(*peer) bool
		begin  func(*peer) (func(), error)
	}{
		{"helpers of run", all, func(p *peer) (func(), error) {
			_, stop, err := b.inForeground(p, c)
			return stop, err
		}},
		{"helpers of run --detach", isRuntime, func(p *peer) (func(), error) {
			_, stop, err := b.keep(p, c)
			return stop, err
		}},
		{"helpers of final run --detach, which keeps a log", isFinal, func(p *peer) (func(), error) {
			line := p.command(b, "run", "--detach", "--name", c.id, "--rootfs", b.path("rootfs"))
			stop, err := b.begin(p, c, append(line, c.args...))
			if err == nil {
				// The monitor of a command without output becomes a list of system calls after three seconds.
				time.Sleep(5 * time.Second)
			}
			return stop, err
		}},
		{"a created container", isRuntime, func(p *peer) (func(), error) {
			line, err := p.onBundle(b, c, "create")
			if err != nil {
				return nil, err
			}
			return b.begin(p, c, line)
		}},
	} {
		t.rows = append(t.rows, b.alternate(state.name, "MiB", times, warm, b.each(state.chosen, func(p *peer) (float64, error) {
			stop, err := state.begin(p)
			if err != nil {
				return 0, err
			}
			defer stop()
			return helpers()
		})))
	}
	b.tables = append(b.tables, t)
	return nil
}

func (b *bench) begin(p *peer, c container, line []string) (func(), error) {
	_, err := b.clock(line...)
	return func() { b.remove(p, c.id) }, err
}

// floor returns the smallest limit under which a peer runs true three times.
func (b *bench) floor(p *peer) (float64, error) {
	var last error
	for _, size := range floors {
		last = nil
		for range 3 {
			if _, last = b.run(p, container{id: "floor", memory: size << 10, args: toTrue}); last != nil {
				break
			}
		}
		if last == nil {
			return float64(size), nil
		}
	}
	return 0, last
}

// measureSteps times the programs of the workshop, which have no peers.
func (b *bench) measureSteps() error {
	programs, err := filepath.Glob(filepath.Join(b.steps, "step0?-*"))
	if err != nil || len(programs) == 0 {
		return err
	}
	t := table{name: "Steps", about: stepsAbout}
	var tasks []task
	for i, program := range append(programs, b.final) {
		line := []string{program, "run"}
		if i >= 3 {
			line = append(line, "--rootfs", b.path("rootfs"))
		}
		line = append(line, toTrue...)
		tasks = append(tasks, task{filepath.Base(program), func() (float64, error) { return b.clock(line...) }})
	}
	measured := b.alternate("steps", "ms", b.runs, warm, tasks)
	for _, task := range tasks {
		t.rows = append(t.rows, row{name: task.peer, unit: "ms", cells: map[string]cell{final: measured.cells[task.peer]}})
	}
	b.tables = append(b.tables, t)
	return nil
}
