package trace

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// pairs are the actions of two programs, and which of theirs belongs to which of ours.
type pairs struct {
	ours, theirs []action
	// answer has, for each action of ours, the index of an action of theirs, or -1.
	answer []int
}

// pairUp finds for each action of ours the action of theirs: the same one if possible, else with other arguments, else in
// another process.
func pairUp(ours, theirs []action) pairs {
	p := pairs{ours, theirs, slices.Repeat([]int{-1}, len(ours))}
	for _, alike := range []func(o, t action) bool{
		func(o, t action) bool {
			return o.Process == t.Process && o.what == t.what && slices.Equal(o.args, t.args)
		},
		func(o, t action) bool { return o.Process == t.Process && o.what == t.what },
		func(o, t action) bool { return o.what == t.what && slices.Equal(o.args, t.args) },
		func(o, t action) bool { return o.what == t.what },
	} {
		for i, o := range ours {
			if p.answer[i] >= 0 {
				continue
			}
			p.answer[i] = slices.IndexFunc(theirs, func(t action) bool { return !slices.Contains(p.answer, t.at) && alike(o, t) })
		}
	}
	return p
}

// process describes that another process makes the call.
func (p pairs) process(o, t action) []string {
	if o.Process == t.Process {
		return nil
	}
	return []string{fmt.Sprintf("In yours %s makes this call, in ours %s.", t.Process, o.Process)}
}

// changes describes different arguments. It names flags and options one by one.
func changes(o, t action) []string {
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

func argument(d action, k int) string {
	if k < len(d.Args) {
		return d.Args[k]
	}
	return "NULL"
}

// sets describes what two sets of flags, options or controllers do not have in common.
func sets(ours, theirs []string) []string {
	lacking := func(of, in []string) []string {
		return slices.DeleteFunc(slices.Clone(of), func(word string) bool {
			none := word == "" || word == "0" || word == "SIGCHLD"
			return none || slices.ContainsFunc(in, func(other string) bool { return options(other) == options(word) })
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

// failure describes that a call of theirs fails, and how many calls are missing for that reason.
func (p pairs) failure(t action, ours unix.Errno) []string {
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

// unreached reports whether theirs lacks a call because the process gave up earlier.
func (p pairs) unreached(i int) bool {
	process := p.ours[i].Process
	stop := p.stops(process)
	if stop < 0 || p.answer[i] >= 0 {
		return false
	}
	// If ours does not make the failing call, take the last call before it that ours makes.
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

// idle reports whether a call of ours would have no effect in theirs, because it removes a directory that theirs never makes.
func (p pairs) idle(o action) bool {
	return o.Name == "rmdir" && !slices.ContainsFunc(p.theirs, func(t action) bool {
		return t.Name == "mkdir" && t.Err == 0 && t.Args[0] == o.Args[0]
	})
}

// stops returns the index of the failing call after which a process of theirs gives up, or -1 if the process does not give up.
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
