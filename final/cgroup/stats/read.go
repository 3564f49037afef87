//go:build linux

package stats

import (
	"errors"
	"math"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"container-workshop/final/cgroup"
)

// Read reads what the container uses. All numbers are 0 if the cgroup is gone.
func Read(c *cgroup.Cgroup) (*Stats, error) {
	s := &Stats{Hugetlb: map[string]Hugetlb{}}
	r := &reader{texts: map[string]string{}}
	for version := 1; version <= 2; version++ {
		for _, from := range s.countersOf(version) {
			if d := c.DirOf(from.controller); d != nil && d.Version == version {
				*from.to = r.number(d, from)
			}
		}
	}
	if s.Pids.Limit == math.MaxUint64 {
		s.Pids.Limit = 0
	}
	if d := c.DirOf("cpuacct"); d != nil && d.Version == 1 {
		for word := range strings.FieldsSeq(r.text(d, "cpuacct.usage_percpu")) {
			s.CPU.Usage.Percpu = append(s.CPU.Usage.Percpu, parseNumber(word))
		}
	}
	if d := c.DirOf("memory"); d != nil {
		s.Memory.Raw = map[string]uint64{}
		for line := range strings.Lines(r.text(d, "memory.stat")) {
			if key, value, ok := strings.Cut(line, " "); ok {
				s.Memory.Raw[key] = parseNumber(value)
			}
		}
		if d.Version == 2 && r.text(d, "memory.swap.current") != "" {
			s.Memory.addToSwap()
		}
	}
	if d := c.DirOf("blkio"); d != nil {
		r.blkio(d, &s.Blkio)
	}
	if d := c.DirOf("hugetlb"); d != nil {
		r.hugetlb(d, s.Hugetlb)
	}
	return s, errors.Join(r.errs...)
}

// addToSwap adds memory to swap. Version 2 counts swap alone, and Stats has memory and swap together.
func (m *Memory) addToSwap() {
	m.Swap.Usage += m.Usage.Usage
	if m.Swap.Limit == math.MaxUint64 || m.Usage.Limit == math.MaxUint64 {
		m.Swap.Limit = math.MaxUint64
	} else {
		m.Swap.Limit += m.Usage.Limit
	}
}

// reader reads each file once, so that all numbers of a file are from the same moment.
type reader struct {
	texts map[string]string
	errs  []error
}

// text returns "" for a file that this kernel does not have, and for a cgroup that is gone.
func (r *reader) text(d *cgroup.Dir, file string) string {
	name := path.Join(d.Path, file)
	text, known := r.texts[name]
	if known {
		return text
	}
	content, err := os.ReadFile(name)
	if err != nil && !cgroup.IsGone(err) {
		r.errs = append(r.errs, err)
	}
	r.texts[name] = string(content)
	return string(content)
}

// number returns nanoseconds for a key in microseconds, and any other number unchanged.
func (r *reader) number(d *cgroup.Dir, from counter) uint64 {
	text := r.text(d, from.file)
	switch {
	case from.key == "":
		return parseNumber(text)
	case strings.HasSuffix(from.key, "_usec"):
		return 1000 * cgroup.Field(text, from.key)
	}
	return cgroup.Field(text, from.key)
}

// parseNumber returns the largest number for "max", which means no limit.
func parseNumber(text string) uint64 {
	word := strings.TrimSpace(text)
	if word == "max" {
		return math.MaxUint64
	}
	n, _ := strconv.ParseUint(word, 10, 64)
	return n
}

// blkio reads lines such as "8:0 Read 4096" on version 1, and "8:0 rbytes=4096 wbytes=0 …" on version 2.
func (r *reader) blkio(d *cgroup.Dir, s *Blkio) {
	if d.Version == 2 {
		for line := range strings.Lines(r.text(d, "io.stat")) {
			words := strings.Fields(line)
			for _, l := range s.listsV2() {
				for _, word := range words {
					if value, ok := strings.CutPrefix(word, l.from+"="); ok {
						l.add([]string{words[0], l.op, value})
					}
				}
			}
		}
		return
	}
	filled := map[*[]BlkioEntry]bool{}
	for _, l := range s.listsV1() {
		if filled[l.to] {
			continue
		}
		for line := range strings.Lines(r.text(d, l.from)) {
			l.add(strings.Fields(line))
		}
		filled[l.to] = len(*l.to) > 0
	}
}

// add adds a line of version 1: the disk, the operation unless there is only one, and the number. The line with the sum over all
// disks has no disk, and add leaves that line out.
func (l list) add(words []string) {
	if len(words) < 2 || len(words) > 3 {
		return
	}
	major, minor, ok := strings.Cut(words[0], ":")
	if !ok {
		return
	}
	e := BlkioEntry{Major: parseNumber(major), Minor: parseNumber(minor), Value: parseNumber(words[len(words)-1])}
	if len(words) == 3 {
		e.Op = words[1]
	}
	*l.to = append(*l.to, e)
}

// hugetlb finds the sizes of pages by the names of the files.
func (r *reader) hugetlb(d *cgroup.Dir, sizes map[string]Hugetlb) {
	usage := map[int]string{1: ".usage_in_bytes", 2: ".current"}[d.Version]
	files, _ := filepath.Glob(path.Join(d.Path, "hugetlb.*B"+usage))
	for _, file := range files {
		name := strings.TrimSuffix(path.Base(file), usage)
		h := Hugetlb{Usage: parseNumber(r.text(d, name+usage)), Failcnt: cgroup.Field(r.text(d, name+".events"), "max")}
		if d.Version == 1 {
			h.Max, h.Failcnt = parseNumber(r.text(d, name+".max_usage_in_bytes")), parseNumber(r.text(d, name+".failcnt"))
		}
		sizes[strings.TrimPrefix(name, "hugetlb.")] = h
	}
}
