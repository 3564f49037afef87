//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// add notes what the probe has printed: lines of JSON, and perhaps others.
func (s *stand) add(name, text string) {
	var rest []string
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if strings.HasPrefix(line, "{") {
			s.seen[name] = s.parse(strings.TrimSpace(line), name)
		} else if line != "" {
			rest = append(rest, fmt.Sprintf("%d: %s", i, line))
		}
	}
	if len(rest) > 0 {
		s.seen[name+" says"] = normalText(strings.Join(rest, "\n"))
	}
}

// parse reads the JSON of a probe and replaces what is another number in each container.
func (s *stand) parse(line, name string) any {
	var seen view
	if err := json.Unmarshal([]byte(line), &seen); err != nil {
		return normalText(line)
	}
	names := s.nameNamespaces(seen)
	if stdin, ok := seen["stdin"].(string); ok {
		seen["stdin"] = normalText(stdin)
	}
	lines, _ := seen["mounts"].([]any)
	mounts := parseMounts(lines)
	switch {
	case strings.HasPrefix(name, "create") || strings.HasPrefix(name, "pre") || strings.HasPrefix(name, "post") || names["mnt"] == "the host's":
		// Of the host's mounts only those of the container count.
		mounts = slices.DeleteFunc(mounts, func(m mountLine) bool { return !strings.HasPrefix(m.target, base+"/bundle/rootfs") })
	case len(mounts) == 0:
		return seen
	}
	named := nameMounts(mounts, s.hostMounts)
	seen["mounts"] = named
	if names["pid"] == "the host's" {
		delete(seen, "processes")
	}
	if names["net"] == "the host's" {
		delete(seen, "network")
	}
	return seen
}

// nameNamespaces replaces the numbers of namespaces by what they are.
func (s *stand) nameNamespaces(seen view) map[string]string {
	names := map[string]string{}
	section, _ := seen["namespaces"].(map[string]any)
	for _, kind := range slices.Sorted(maps.Keys(section)) {
		text, _ := section[kind].(string)
		if !strings.Contains(text, ":[") {
			continue
		}
		proc := strings.TrimSuffix(kind, "_for_children")
		host, _ := os.Readlink("/proc/thread-self/ns/" + proc)
		if text == host {
			s.known[text] = "the host's"
		}
		if s.holder != nil {
			if joined, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", s.holder.Process.Pid, proc)); text == joined && joined != host {
				s.known[text] = "the joined one"
			}
		}
		if s.known[text] == "" {
			s.known[text] = fmt.Sprintf("new namespace %d", len(s.known)+1)
		}
		names[kind] = s.known[text]
		section[kind] = names[kind]
	}
	return names
}

// numbers are what is another in each container, in texts of the program.
var numbers = []struct {
	pattern *regexp.Regexp
	by      string
}{
	{regexp.MustCompile(`"pid": ?[1-9][0-9]*`), `"pid":PID`},
	{regexp.MustCompile(`"created": ?"[^"]*"`), `"created":"TIME"`},
	{regexp.MustCompile(`/proc/[0-9]+/`), `/proc/PID/`},
}

func normalText(text string) string {
	for _, n := range numbers {
		text = n.pattern.ReplaceAllString(text, n.by)
	}
	return text
}

// A mountLine is a line of mountinfo. proc_pid_mountinfo(5)
type mountLine struct {
	id, parent, device, root, target, options, kind, source, super string
	optional                                                       []string
}

func readMounts() ([]mountLine, error) {
	content, err := os.ReadFile("/proc/thread-self/mountinfo")
	var lines []any
	for line := range strings.Lines(string(content)) {
		lines = append(lines, line)
	}
	return parseMounts(lines), err
}

func parseMounts(lines []any) []mountLine {
	var mounts []mountLine
	for _, line := range lines {
		text, _ := line.(string)
		first, second, found := strings.Cut(text, " - ")
		one, two := strings.Fields(first), strings.Fields(second)
		if !found || len(one) < 6 || len(two) < 3 {
			continue
		}
		mounts = append(mounts, mountLine{one[0], one[1], one[2], one[3], one[4], one[5], two[0], two[1], two[2], one[6:]})
	}
	return mounts
}

// nameMounts gives each mount a name: its target, and a number if there are several. Numbers of mounts, devices and peer groups
// become the name of the first mount that has them. The kernel lists mounts in the order in which they were made. Process 1 and a thread of
// final make them at the same time, so the tree alone says what covers what.
func nameMounts(mounts, host []mountLine) map[string]string {
	ids, devices, groups, all := map[string]string{}, map[string]string{}, map[string]string{}, map[string]string{}
	for _, m := range host {
		for _, word := range m.optional {
			if _, number, found := strings.Cut(word, ":"); found && groups[number] == "" {
				groups[number] = "the host's " + m.target
			}
		}
	}
	name := func(names map[string]string, number, key string) string {
		if names[number] == "" {
			names[number] = key
		}
		return names[number]
	}
	for _, m := range inTreeOrder(mounts) {
		key := m.target
		for i := 2; all[key] != ""; i++ {
			key = fmt.Sprintf("%s (%d)", m.target, i)
		}
		parent := ids[m.parent]
		if parent == "" {
			parent = "outside"
		}
		ids[m.id] = key
		var optional []string
		for _, word := range m.optional {
			kind, number, found := strings.Cut(word, ":")
			if found {
				word = kind + " with " + name(groups, number, key)
			}
			optional = append(optional, word)
		}
		all[key] = fmt.Sprintf("%s from %s, root %s, %s, %v, super block of %s with %s, on %s",
			m.kind, m.source, m.root, m.options, optional, name(devices, m.device, key), super(&m), parent)
	}
	return all
}

// super returns the options of a file system. The mode of a tmpfs is left out: it is the mode of its directory, which the views have anyway,
// whether an option or chmod(2) has set it.
func super(m *mountLine) string {
	text := descriptorPath.ReplaceAllString(m.super, "/proc/self/fd/N")
	if m.kind == "tmpfs" {
		text = modeOption.ReplaceAllString(text, "")
	}
	return text
}

var modeOption = regexp.MustCompile(`,mode=[0-7]+`)

// descriptorPath is the path of a layer of an overlay.
var descriptorPath = regexp.MustCompile(`/proc/self/fd/[0-9]+`)

// inTreeOrder sorts mounts: parents come before their children, and siblings in the order of their names.
func inTreeOrder(mounts []mountLine) []mountLine {
	below, known := map[string][]mountLine{}, map[string]bool{}
	for _, m := range mounts {
		known[m.id] = true
	}
	for _, m := range mounts {
		parent := m.parent
		if !known[parent] || parent == m.id {
			parent = ""
		}
		below[parent] = append(below[parent], m)
	}
	var sorted []mountLine
	var walk func(string)
	walk = func(parent string) {
		children := below[parent]
		slices.SortStableFunc(children, func(a, b mountLine) int { return strings.Compare(a.target, b.target) })
		for _, m := range children {
			sorted = append(sorted, m)
			walk(m.id)
		}
	}
	walk("")
	return sorted
}
