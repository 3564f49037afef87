//go:build linux

package seccomp

import "golang.org/x/sys/unix"

// branch is the part of a filter for one architecture.
type branch struct {
	architecture
	byDefault uint32
	// decisions has an element for each index that the method numbers returns.
	decisions []decision
	// named is the highest number that the profile has a rule for, or -1. The numbers in more do not count.
	named int
}

// decision is what happens to one system call: the action of the first rule that matches, otherwise the unconditional action if
// there is one, otherwise the default action.
type decision struct {
	rules         []rule
	unconditional bool
	action        uint32
}

type rule struct {
	// when are the comparisons that must all hold.
	when   []comparison
	action uint32
}

func newBranch(a architecture, byDefault uint32) branch {
	return branch{a, byDefault, make([]decision, a.newest+1+len(a.more)), -1}
}

// add gives a system call more rules. Without rules, add gives the call an unconditional action, unless the call has one.
func (b *branch) add(index int, rules []rule, action uint32) {
	if index <= b.newest {
		b.named = max(b.named, index)
	}
	d := &b.decisions[index]
	switch {
	case len(rules) > 0:
		d.rules = append(d.rules, rules...)
	case !d.unconditional:
		d.unconditional, d.action = true, action
	}
}

// otherwise is the action for a system call if none of its rules matches.
func (b *branch) otherwise(index int) uint32 {
	switch d := &b.decisions[index]; {
	case d.unconditional:
		return d.action
	case b.named >= 0 && index > b.named && index <= b.newest:
		return b.newer()
	}
	return b.byDefault
}

// newer is the action for system calls that are newer than the profile.
func (b *branch) newer() uint32 {
	if b.byDefault&unix.SECCOMP_RET_ACTION_FULL == unix.SECCOMP_RET_ERRNO {
		return refuse
	}
	return b.byDefault
}

// multiplex gives socketcall(2) and ipc(2) the rules of the calls that go through them. These rules come after socketcall's and
// ipc's own rules.
func (b *branch) multiplex() {
	for i, entry := range b.more {
		index := b.newest + 1 + i
		d := &b.decisions[index]
		if entry.number&multiplexed == 0 || len(d.rules) == 0 && !d.unconditional {
			continue
		}
		through := int(entry.number &^ multiplexed >> 16)
		action := b.otherwise(index)
		if len(d.rules) > 0 && b.decisions[through].unconditional {
			continue
		}
		// The arguments are in memory, which the filter cannot read. Any of the conditions may hold.
		for _, rule := range d.rules {
			action = stricter(action, rule.action)
		}
		if action == b.otherwise(through) {
			continue
		}
		// ipc(2) has a version in the high half of its first argument, and socketcall(2) refuses any bit there.
		when := []comparison{{equal, 0, uint64(entry.number & 0xffff), 0xffff}}
		b.decisions[through].rules = append(b.decisions[through].rules, rule{when, action})
	}
}

// stricter is the action of two that the kernel would take. The kernel compares actions as signed numbers. seccomp(2)
func stricter(a, b uint32) uint32 {
	if int32(b&unix.SECCOMP_RET_ACTION_FULL) < int32(a&unix.SECCOMP_RET_ACTION_FULL) {
		return b
	}
	return a
}

// span is a range of system call numbers with the same action, up to the first number of the next span. A call with rules is a
// span of its own.
type span struct {
	first  uint32
	rules  []rule
	action uint32
}

// spans covers all numbers, in order. Neighbours with the same action share a span.
func (b *branch) spans() []span {
	spans := make([]span, 0, 128)
	put := func(first uint32, rules []rule, action uint32) {
		if n := len(spans); n > 0 && spans[n-1].first == first {
			spans = spans[:n-1]
		}
		if n := len(spans); n > 0 && spans[n-1].rules == nil && rules == nil && spans[n-1].action == action {
			return
		}
		spans = append(spans, span{first, rules, action})
	}
	for number := range b.newest + 1 {
		put(uint32(number), b.decisions[number].rules, b.otherwise(number))
	}
	put(uint32(b.newest)+1, nil, b.newer())
	for i, entry := range b.more {
		if entry.number&multiplexed != 0 {
			continue
		}
		index := b.newest + 1 + i
		put(entry.number, b.decisions[index].rules, b.otherwise(index))
		put(entry.number+1, nil, b.newer())
	}
	return spans
}
