//go:build linux

package calls_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/calls"
)

// A model does in Go what the machine does for a small set of calls.
type model struct {
	slots  [8]int64
	memory [4]uint32
	umask  int64
}

// A move is a call of the list, and what the model does for it. do returns the number of the next move, or -1 for a failure.
type move struct {
	write func()
	do    func(m *model) (next int)
}

// A player makes random moves for a list.
type player struct {
	*rand.Rand
	list   *calls.List
	slots  [8]calls.Slot
	memory calls.Buffer
	labels []calls.Label
	// cases are the results that make the last move jump.
	cases map[int64]int
}

// play writes random moves to a list, and returns them. Most jumps go forward, so most lists end.
func play(random *rand.Rand, l *calls.List) []move {
	p := player{Rand: random, list: l, memory: l.Buffer(16)}
	for i := range p.slots {
		p.slots[i] = l.Slot()
	}
	moves := make([]move, 5+p.IntN(60))
	for range len(moves) + 1 {
		p.labels = append(p.labels, l.Label())
	}
	for i := range moves {
		l.Mark(p.labels[i])
		l.Stage(fmt.Sprintf("move %d", i), "", 0)
		moves[i] = p.move(i, len(moves))
		moves[i].write()
	}
	l.Mark(p.labels[len(moves)])
	send(l, p.slots[:]...)
	for i := range 4 {
		l.Load(p.slots[i], p.memory, 4*i, 1<<32-1)
	}
	send(l, p.slots[:4]...)
	return moves
}

// move is a random move. It is number i of n.
func (p *player) move(i, n int) move {
	a, b, word, target := p.IntN(8), p.IntN(8), p.IntN(4), min(n, max(0, i-3+p.IntN(12)))
	value := []int64{0, 1, 2, -1, 7, -4095, 1 << 40, int64(p.Uint64())}[p.IntN(8)]
	mask := []uint32{1, 0xff, 1<<32 - 1, p.Uint32()}[p.IntN(4)]
	errno := unix.Errno(1 + p.IntN(3))
	l, slots, cases := p.list, p.slots, map[int64]int{}
	p.cases = cases
	after := func(result int64) int {
		if to, ok := cases[result]; ok {
			return to
		}
		return i + 1
	}
	keep := func(slot int, result func(m *model) int64) func(m *model) int {
		return func(m *model) int {
			m.slots[slot] = result(m)
			return after(m.slots[slot])
		}
	}
	return []move{
		{func() { p.jumps(i, n, l.Set(slots[a], value), 0, 1, -1, 1<<40) }, keep(a, func(*model) int64 { return value })},
		{func() { p.jumps(i, n, l.Set(slots[a], slots[b]), 0, 7, -4095) }, keep(a, func(m *model) int64 { return m.slots[b] })},
		{func() { p.jumps(i, n, l.Load(slots[a], p.memory, 4*word, mask), 0, 1, 7, 0xff) },
			keep(a, func(m *model) int64 { return int64(m.memory[word] & mask) })},
		{func() { p.jumps(i, n, l.Do(unix.SYS_UMASK, slots[a]).To(slots[b]), 0, 1, 7) },
			keep(b, func(m *model) (old int64) { old, m.umask = m.umask, m.slots[a]&0o777; return old })},
		{func() { l.Store(p.memory, 4*word, slots[a]) }, func(m *model) int { m.memory[word] = uint32(m.slots[a]); return i + 1 }},
		{func() { l.Goto(p.labels[target]) }, func(*model) int { return target }},
		{func() { p.jumps(i, n, l.Fail(errno).To(slots[a]).Allow(unix.EPERM), -2) }, func(*model) int {
			if _, ok := cases[-int64(errno)]; !ok && errno != unix.EPERM {
				return -1
			}
			return after(-int64(errno))
		}},
	}[[]int{0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 6}[p.IntN(12)]]
}

// jumps lets some of the results of a move jump forward.
func (p *player) jumps(i, n int, c *calls.Call, results ...int64) {
	for _, result := range results {
		if p.IntN(2) == 0 {
			p.cases[result] = min(n, i+1+p.IntN(5))
			c.On(result, p.labels[p.cases[result]])
		}
	}
}

// run follows the moves to the end. It returns the number of the move that fails, or the number of all moves; or -1 for a list that
// does not end soon.
func (m *model) run(moves []move) int {
	at := 0
	for range 10000 {
		if at == len(moves) {
			return at
		}
		next := moves[at].do(m)
		if next < 0 {
			return at
		}
		at = next
	}
	return -1
}

// ints are the lower 32 bits of values.
func ints[T int64 | uint32](values []T) (list []int) {
	for _, value := range values {
		list = append(list, int(int32(value)))
	}
	return list
}

func TestRandomListsDoWhatAModelDoes(t *testing.T) {
	ended, failed := 0, 0
	for seed := uint64(0); ended < 150; seed++ {
		l := calls.New("container", false)
		l.Do(unix.SYS_UMASK, 0o22)
		moves, m := play(rand.New(rand.NewPCG(17, seed)), l), model{umask: 0o22}
		at := m.run(moves)
		if at < 0 {
			continue
		}
		ended++
		messages, err := outcome(t, l)
		if at < len(moves) {
			failed++
			require.ErrorContains(t, err, fmt.Sprintf("move %d: no such ", at), "seed %d", seed)
			continue
		}
		require.NoError(t, err, "seed %d", seed)
		require.Len(t, messages, 2)
		require.Equal(t, ints(m.slots[:]), values(t, messages[0]), "seed %d", seed)
		require.Equal(t, ints(m.memory[:]), values(t, messages[1]), "seed %d", seed)
	}
	assert.Greater(t, failed, 10)
	assert.Less(t, failed, 140)
}
