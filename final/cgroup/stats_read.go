//go:build linux

package cgroup

import (
	"errors"
	"math"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// Stats reads what the container takes. A cgroup that has gone takes nothing.
func (c *Cgroup) Stats() (*Stats, error) {
	s := &Stats{Hugetlb: map[string]HugetlbStats{}}
	r := &reader{texts: map[string]string{}}
	for version, table := range [][]counter{1: countersV1, 2: countersV2} {
		for _, from := range table {
			if d := c.dirOf(from.controller); d != nil && d.Version == version {
				*from.to(s) = r.number(d, from)
			}
		}
	}
	if s.Pids.Limit == math.MaxUint64 {
		s.Pids.Limit = 0
	}
	if d := c.dirOf("cpuacct"); d != nil && d.Version == 1 {
		for _, word := range strings.Fields(r.text(d, "cpuacct.usage_percpu")) {
			s.CPU.Usage.Percpu = append(s.CPU.Usage.Percpu, parseNumber(word))
		}
	}
	if d := c.dirOf("memory"); d != nil {
		s.Memory.Raw = r.numbers(d, "memory.stat")
		if d.Version == 2 && r.text(d, "memory.swap.current") != "" {
			addSwap(&s.Memory)
		}
	}
	if d := c.dirOf("blkio"); d != nil {
		r.blkio(d, &s.Blkio)
	}
	if d := c.dirOf("hugetlb"); d != nil {
		r.hugetlb(d, s.Hugetlb)
	}
	return s, errors.Join(r.errs...)
}

// addSwap makes of a count of swap alone, as version 2 has it, one of memory and swap together.
func addSwap(m *MemoryStats) {
	m.Swap.Usage += m.Usage.Usage
	if m.Swap.Limit == math.MaxUint64 || m.Usage.Limit == math.MaxUint64 {
		m.Swap.Limit = math.MaxUint64
	} else {
		m.Swap.Limit += m.Usage.Limit
	}
}

// reader reads each file once, so that the numbers of one file go together.
type reader struct {
	texts map[string]string
	errs  []error
}

// text is empty for a file that this kernel does not have, and for a cgroup that has gone.
func (r *reader) text(d *Dir, file string) string {
	name := path.Join(d.Path, file)
	text, known := r.texts[name]
	if known {
		return text
	}
	content, err := os.ReadFile(name)
	if err != nil && !isGone(err) {
		r.errs = append(r.errs, err)
	}
	r.texts[name] = string(content)
	return string(content)
}

func (r *reader) number(d *Dir, from counter) uint64 {
	n := uint64(0)
	if text := r.text(d, from.file); from.key != "" {
		n = field(text, from.key)
	} else {
		n = parseNumber(text)
	}
	return n * max(from.unit, 1)
}

// parseNumber reads no limit, which is max, as a number too large to be met.
func parseNumber(text string) uint64 {
	word := strings.TrimSpace(text)
	if word == "max" {
		return math.MaxUint64
	}
	n, _ := strconv.ParseUint(word, 10, 64)
	return n
}

// numbers reads a file with one key and one number on each line.
func (r *reader) numbers(d *Dir, file string) map[string]uint64 {
	numbers := map[string]uint64{}
	for line := range strings.Lines(r.text(d, file)) {
		if key, value, ok := strings.Cut(line, " "); ok {
			numbers[key] = parseNumber(value)
		}
	}
	return numbers
}

// blkio reads lines such as "8:0 Read 4096" on version 1, and "8:0 rbytes=4096 wbytes=0 …" on version 2.
func (r *reader) blkio(d *Dir, s *BlkioStats) {
	if d.Version == 2 {
		for line := range strings.Lines(r.text(d, "io.stat")) {
			r.ioStat(strings.Fields(line), s)
		}
		return
	}
	for _, list := range blkioV1 {
		for _, file := range list.files {
			entries := list.to(s)
			for line := range strings.Lines(r.text(d, file)) {
				if e, ok := parseBlkio(strings.Fields(line)); ok {
					*entries = append(*entries, e)
				}
			}
			if len(*entries) > 0 {
				break
			}
		}
	}
}

// ioStat reads one line of version 2, which is for one disk.
func (r *reader) ioStat(words []string, s *BlkioStats) {
	for i, word := range words {
		key, value, _ := strings.Cut(word, "=")
		of, known := ioStatV2[key]
		if e, ok := parseBlkio([]string{words[0], of.op, value}); i > 0 && known && ok {
			*of.to(s) = append(*of.to(s), e)
		}
	}
}

// parseBlkio reads a line of version 1: disk, operation if there are several, and number. That for all disks together is left
// out.
func parseBlkio(words []string) (e BlkioEntry, ok bool) {
	if len(words) < 2 || len(words) > 3 {
		return e, false
	}
	major, minor, ok := strings.Cut(words[0], ":")
	e.Major, e.Minor, e.Value = parseNumber(major), parseNumber(minor), parseNumber(words[len(words)-1])
	if len(words) == 3 {
		e.Op = words[1]
	}
	return e, ok
}

// hugetlb asks the cgroup for the sizes of pages that there are.
func (r *reader) hugetlb(d *Dir, sizes map[string]HugetlbStats) {
	usage, most := ".usage_in_bytes", ".max_usage_in_bytes"
	if d.Version == 2 {
		usage = ".current"
	}
	files, _ := filepath.Glob(path.Join(d.Path, "hugetlb.*B"+usage))
	for _, file := range files {
		name := strings.TrimSuffix(path.Base(file), usage)
		h := HugetlbStats{Usage: parseNumber(r.text(d, name+usage)), Failcnt: field(r.text(d, name+".events"), "max")}
		if d.Version == 1 {
			h.Max, h.Failcnt = parseNumber(r.text(d, name+most)), parseNumber(r.text(d, name+".failcnt"))
		}
		sizes[strings.TrimPrefix(name, "hugetlb.")] = h
	}
}
