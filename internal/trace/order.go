package trace

import (
	"fmt"
	"slices"
)

// weight ranks the calls that change the meaning of other calls.
func (d action) weight() int {
	switch {
	case d.Name == "clone" || d.Name == "execve":
		return 3
	case d.Name == "chroot" || d.Name == "pivot_root":
		return 2
	case d.what == "propagation":
		return 1
	}
	return 0
}

// turns reports whether the other call has another meaning before d than after d.
func (d action) turns(other action) bool {
	cgroup := other.Name == "mkdir" || other.Name == "rmdir" || other.Name == "write"
	switch {
	case d.weight() <= other.weight():
		return false
	case d.Name == "clone":
		// A program may make its cgroup before or after the child.
		return !cgroup
	case d.Name == "execve":
		// The kernel looks for the program in the root directory. An execve changes nothing else.
		return other.weight() == 2
	case d.weight() == 2:
		// A path means another file in another root directory.
		return cgroup || other.Name == "mount" || other.Name == "umount2" || other.Name == "chdir" || other.Name == "fchdir"
	}
	// A new mount is shared or private like the mount that it is on. mount_namespaces(7)
	return other.Name == "mount"
}

// sides describes, for a call that has moved, the calls that are now on its other side, if that changes a meaning. Where both
// calls have moved, sides describes the call of less weight.
func (p pairs) sides(i int, moved map[int]bool) []string {
	if !moved[i] {
		return nil
	}
	o, t := p.ours[i], p.theirs[p.answer[i]]
	var before, after []string
	for k, other := range p.ours {
		if !p.inverted(i, k) || !other.turns(o) && !o.turns(other) || moved[k] && other.weight() < o.weight() {
			continue
		}
		if t.at < p.theirs[p.answer[k]].at {
			before = append(before, other.brief())
		} else {
			after = append(after, other.brief())
		}
	}
	var texts []string
	if len(before) > 0 {
		texts = append(texts, "Yours makes this call before "+few(before)+", ours after.")
	}
	if len(after) > 0 {
		texts = append(texts, "Yours makes this call after "+few(after)+", ours before.")
	}
	return texts
}

// inverted reports whether theirs makes two calls of one process in the opposite order.
func (p pairs) inverted(i, k int) bool {
	if p.answer[i] < 0 || p.answer[k] < 0 || p.ours[i].Process != p.ours[k].Process {
		return false
	}
	a, b := p.theirs[p.answer[i]], p.theirs[p.answer[k]]
	return a.Process == b.Process && (i < k) != (a.at < b.at)
}

// few lists at most three calls.
func few(calls []string) string {
	if len(calls) > 3 {
		calls = append(slices.Clone(calls[:2]), fmt.Sprintf("%d more calls", len(calls)-2))
	}
	return and(calls)
}

// brief is the name of a call for a sentence.
func (d action) brief() string {
	switch {
	case d.what == "propagation":
		return "the mounts are private"
	case d.Name == "write":
		return "the write to " + d.what
	case d.Name == "mkdir" || d.Name == "rmdir":
		return d.Name + " " + text(d.Args[0])
	}
	return d.what
}

// place describes where ours makes a call.
func (p pairs) place(d action) string {
	for _, name := range []string{"chroot", "clone"} {
		i := slices.IndexFunc(p.ours, func(o action) bool { return o.Process == d.Process && o.Name == name })
		switch {
		case i < 0 || i == d.at:
		case d.at < i:
			return " before " + name
		default:
			return " after " + name
		}
	}
	return ""
}

// behind describes where theirs makes a call: after which call of the same process.
func (p pairs) behind(t action) string {
	for _, before := range slices.Backward(p.theirs[:t.at]) {
		if before.Process == t.Process {
			return "after " + before.brief()
		}
	}
	return "first"
}

// moved returns the calls of ours that theirs makes at another place. In each process these are all calls outside the longest
// series that both programs make in the same order.
func (p pairs) moved() map[int]bool {
	moved := map[int]bool{}
	series := map[string][]int{}
	for i, o := range p.ours {
		if p.answer[i] >= 0 && p.theirs[p.answer[i]].Process == o.Process {
			moved[i] = true
			series[o.Process] = append(series[o.Process], i)
		}
	}
	for _, calls := range series {
		for _, i := range p.inOrder(calls) {
			delete(moved, i)
		}
	}
	return moved
}

// inOrder returns the longest series of the given calls of ours that theirs makes in the same order. Of two series with the same
// length, inOrder returns the series with more weight.
func (p pairs) inOrder(calls []int) []int {
	var best []int
	most, ending, sum := 0, make([][]int, len(calls)), make([]int, len(calls))
	for n, i := range calls {
		for m, k := range calls[:n] {
			if p.answer[k] < p.answer[i] && sum[m] > sum[n] {
				ending[n], sum[n] = ending[m], sum[m]
			}
		}
		ending[n] = append(slices.Clone(ending[n]), i)
		if sum[n] += 100 + p.ours[i].weight(); sum[n] > most {
			best, most = ending[n], sum[n]
		}
	}
	return best
}
