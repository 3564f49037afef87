//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
	"time"
)

// OOMKills returns how many processes the kernel has killed because the container took more memory than its limit, and that
// limit in bytes, or -1 for none. Both are what an error message needs after a command has ended by SIGKILL, and must be asked
// for before Remove. Without a memory controller there are none, and no limit. cgroup-v2.rst, "memory.events"
func (c *Cgroup) OOMKills() (kills uint64, limit int64, err error) {
	d := c.dirOf("memory")
	if d == nil {
		return 0, -1, nil
	}
	events, max := "memory.oom_control", "memory.limit_in_bytes"
	if d.Version == 2 {
		events, max = "memory.events", "memory.max"
	}
	text, err := os.ReadFile(path.Join(d.Path, events))
	if isGone(err) {
		return 0, -1, nil
	}
	if err != nil {
		return 0, -1, err
	}
	limit, err = readNumber(path.Join(d.Path, max))
	if err != nil {
		return 0, -1, err
	}
	return field(string(text), "oom_kill"), limit, nil
}

// field returns the number behind a key, in a file with one key and one number on each line. It is 0 if there is none.
func field(text, key string) uint64 {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, key+" "); ok {
			n, _ := strconv.ParseUint(strings.TrimSpace(value), 10, 64)
			return n
		}
	}
	return 0
}

// readNumber reads a file that holds one number. No limit is -1: it is written as max, or as a number too large to be met.
func readNumber(file string) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	word := strings.TrimSpace(string(text))
	if word == "max" {
		return -1, nil
	}
	n, err := strconv.ParseInt(word, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	if n > math.MaxInt64-1<<20 {
		return -1, nil
	}
	return n, nil
}

// Stats is what a container takes. What no controller counts is 0.
type Stats struct {
	// Memory is the memory in use now, in bytes, with the files that the kernel keeps in memory.
	Memory uint64
	// CPU is the processor time used so far.
	CPU time.Duration
	// Pids is the number of processes and threads there are now.
	Pids uint64
}

// Stats reads what the container takes. cgroup-v2.rst, and cgroup-v1: memory.rst, cpuacct.rst, pids.rst
func (c *Cgroup) Stats() (Stats, error) {
	var s Stats
	var errs []error
	for _, counter := range []struct {
		controller, v1, v2 string
		set                func(n uint64, version int)
	}{
		{"memory", "memory.usage_in_bytes", "memory.current", func(n uint64, _ int) { s.Memory = n }},
		{"pids", "pids.current", "pids.current", func(n uint64, _ int) { s.Pids = n }},
		{"cpuacct", "cpuacct.usage", "cpu.stat", func(n uint64, version int) {
			s.CPU = time.Duration(n) * []time.Duration{1: time.Nanosecond, 2: time.Microsecond}[version]
		}},
	} {
		d := c.dirOf(counter.controller)
		if d == nil {
			continue
		}
		text, err := os.ReadFile(path.Join(d.Path, []string{1: counter.v1, 2: counter.v2}[d.Version]))
		if err != nil && !isGone(err) {
			errs = append(errs, err)
		}
		n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
		if err != nil {
			n = field(string(text), "usage_usec")
		}
		counter.set(n, d.Version)
	}
	return s, errors.Join(errs...)
}
