package trace

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// pairs are two programs, and which call of theirs answers to which call of ours.
type pairs struct {
	ours, theirs []deed
	// answer has an index of theirs for each of ours, -1 if there is none.
	answer []int
}

// pairUp looks for the same call first, then for one with other arguments, then for one in another process.
func pairUp(ours, theirs []deed) pairs {
	p := pairs{ours, theirs, slices.Repeat([]int{-1}, len(ours))}
	for _, alike := range []func(o, t deed) bool{
		func(o, t deed) bool {
			return o.Process == t.Process && o.what == t.what && slices.Equal(o.args, t.args)
		},
		func(o, t deed) bool { return o.Process == t.Process && o.what == t.what },
		func(o, t deed) bool { return o.what == t.what && slices.Equal(o.args, t.args) },
		func(o, t deed) bool { return o.what == t.what },
	} {
		for i, o := range ours {
			if p.answer[i] >= 0 {
				continue
			}
			p.answer[i] = slices.IndexFunc(theirs, func(t deed) bool { return !slices.Contains(p.answer, t.at) && alike(o, t) })
		}
	}
	return p
}

// process tells whether another process makes the call.
func (p pairs) process(o, t deed) []string {
	if o.Process == t.Process {
		return nil
	}
	return []string{fmt.Sprintf("In yours %s makes this call, in ours %s.", t.Process, o.Process)}
}

// changes tells which arguments are different. Flags and options are told one by one.
func changes(o, t deed) []string {
	var texts []string
	for k := range max(len(o.args), len(t.args)) {
		ours, theirs := argument(o, k), argument(t, k)
		same := k < len(o.args) && k < len(t.args) && o.args[k] == t.args[k]
		switch {
		case same:
		case o.Name == "mount" && k == 4:
			texts = append(texts, sets(strings.Split(text(ours), ","), strings.Split(text(theirs), ","))...)
		case strings.HasSuffix(o.what, "subtree_control") && k == 1:
			texts = append(texts, sets(strings.Fields(text(ours)), strings.Fields(text(theirs)))...)
		case strings.HasPrefix(ours, `"`) || strings.HasPrefix(theirs, `"`):
			texts = append(texts, fmt.Sprintf("Ours has %s, yours %s.", ours, theirs))
		default:
			texts = append(texts, sets(strings.Split(ours, "|"), strings.Split(theirs, "|"))...)
		}
	}
	return texts
}

func argument(d deed, k int) string {
	if k < len(d.Args) {
		return d.Args[k]
	}
	return "NULL"
}

// sets tells what is in one of two sets of flags, options or controllers.
func sets(ours, theirs []string) []string {
	lacking := func(of, in []string) []string {
		return slices.DeleteFunc(slices.Clone(of), func(word string) bool {
			return word == "" || word == "0" || word == "SIGCHLD" || slices.ContainsFunc(in, func(other string) bool { return options(other) == options(word) })
		})
	}
	var texts []string
	if missing := lacking(ours, theirs); len(missing) > 0 {
		texts = append(texts, "Yours lacks "+and(missing)+".")
	}
	if extra := lacking(theirs, ours); len(extra) > 0 {
		texts = append(texts, "Ours does not have "+and(extra)+".")
	}
	return texts
}

func and(words []string) string {
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// failure tells that a call of theirs fails, and what comes of it.
func (p pairs) failure(t deed, ours unix.Errno) []string {
	if t.Err == 0 || t.Err == ours {
		return nil
	}
	said := fmt.Sprintf("Yours fails: %s.", t.Err.Error())
	if p.stops(t.Process) != t.at {
		return []string{said}
	}
	missing := 0
	for i := range p.ours {
		if p.unreached(i) {
			missing++
		}
	}
	switch missing {
	case 0:
		return []string{said}
	case 1:
		return []string{said, "After that one call is missing."}
	}
	return []string{said, fmt.Sprintf("After that %d calls are missing.", missing)}
}

// unreached reports whether theirs does not make a call because the process has given up before.
func (p pairs) unreached(i int) bool {
	process := p.ours[i].Process
	stop := p.stops(process)
	if stop < 0 || p.answer[i] >= 0 {
		return false
	}
	// A call that ours does not make comes after all that ours makes, too.
	last := slices.Index(p.answer, stop)
	if last < 0 {
		for k, j := range p.answer {
			if j >= 0 && p.theirs[j].Process == process {
				last = k
			}
		}
	}
	return i > last
}

// idle reports whether a call of ours would change nothing in theirs: it removes a directory that theirs has not made.
func (p pairs) idle(o deed) bool {
	return o.Name == "rmdir" && !slices.ContainsFunc(p.theirs, func(t deed) bool {
		return t.Name == "mkdir" && t.Err == 0 && t.Args[0] == o.Args[0]
	})
}

// stops returns the place of the call with which a process of theirs gives up, -1 if it does not.
func (p pairs) stops(process string) int {
	for _, t := range slices.Backward(p.theirs) {
		if t.Process == process {
			if t.Err != 0 {
				return t.at
			}
			return -1
		}
	}
	return -1
}
