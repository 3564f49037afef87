//go:build linux

package cgroup

import (
	"fmt"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// OOMKills returns how many processes the kernel has killed because the container took more memory than its limit, and that
// limit in bytes, or -1 for none. Both are what an error message needs after a command has ended by SIGKILL, and must be asked
// for before Remove. Without a memory controller there are none, and no limit. cgroup-v2.rst, "memory.events"
func (c *Cgroup) OOMKills() (kills uint64, limit int64, err error) {
	d := c.DirOf("memory")
	if d == nil {
		return 0, -1, nil
	}
	events, max := "memory.oom_control", "memory.limit_in_bytes"
	if d.Version == 2 {
		events, max = "memory.events", "memory.max"
	}
	text, err := os.ReadFile(path.Join(d.Path, events))
	if IsGone(err) {
		return 0, -1, nil
	}
	if err != nil {
		return 0, -1, err
	}
	limit, err = readNumber(path.Join(d.Path, max))
	if err != nil {
		return 0, -1, err
	}
	return Field(string(text), "oom_kill"), limit, nil
}

// Field returns the number behind a key, in a file with one key and one number on each line. It is 0 if there is none.
func Field(text, key string) uint64 {
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
