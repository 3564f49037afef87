//go:build linux

package calls_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"

	"container-workshop/final/calls"
)

// A model does in Go what the machine does for a small set of calls.
type model struct {
	slots  [8]int64
	memory [4]uint32
	umask  int64
}

// A move is a call of the model: in the list, and in Go. The next move is the one with the number next, or -1 for a failure.
type move struct {
	write func()
	do    func(m *model) (next int)
}

// moves makes random moves for a list. Move i+1 follows on move i unless it jumps; jumps mostly go forward, so most lists end.
func moves(random *rand.Rand, l *calls.List) []move {
	var slots [8]calls.Slot
	for i := range slots {
		slots[i] = l.Slot()
	}
	memory := l.Buffer(16)
	list := make([]move, 5+random.IntN(60))
	labels := make([]calls.Label, len(list)+1)
	for i := range labels {
		labels[i] = l.Label()
	}
	for i := range list {
		a, b, word := random.IntN(8), random.IntN(8), random.IntN(4)
		value := []int64{0, 1, 2, -1, 7, -4095, 1 << 40, int64(random.Uint64())}[random.IntN(8)]
		mask := []uint32{1, 0xff, 1<<32 - 1, random.Uint32()}[random.IntN(4)]
		target := min(len(list), max(0, i-3+random.IntN(12)))
		errno := unix.Errno(1 + random.IntN(3))
		cases := map[int64]int{}
		on := func(c *calls.Call, results ...int64) {
			for _, result := range results {
				if to := min(len(list), i+1+random.IntN(5)); random.IntN(2) == 0 {
					if _, there := cases[result]; !there {
						cases[result] = to
					}
					c.On(result, labels[to])
				}
			}
		}
		after := func(result int64) int {
			if to, ok := cases[result]; ok {
				return to
			}
			return i + 1
		}
		list[i] = []move{
			{func() { on(l.Set(slots[a], value), 0, 1, -1, 1<<40) }, func(m *model) int { m.slots[a] = value; return after(value) }},
			{func() { on(l.Set(slots[a], slots[b]), 0, 7, -4095) }, func(m *model) int { m.slots[a] = m.slots[b]; return after(m.slots[a]) }},
			{func() { on(l.Load(slots[a], memory, 4*word, mask), 0, 1, 7, 0xff) }, func(m *model) int {
				m.slots[a] = int64(m.memory[word] & mask)
				return after(m.slots[a])
			}},
			{func() { l.Store(memory, 4*word, slots[a]) }, func(m *model) int { m.memory[word] = uint32(m.slots[a]); return i + 1 }},
			{func() { l.Goto(labels[target]) }, func(*model) int { return target }},
			{func() { on(l.Do(unix.SYS_UMASK, slots[a]).To(slots[b]), 0, 1, 7) }, func(m *model) int {
				old := m.umask
				m.umask, m.slots[b] = m.slots[a]&0o777, old
				return after(old)
			}},
			{func() { on(l.Fail(errno).To(slots[a]).Allow(unix.EPERM), -2) }, func(*model) int {
				if to, ok := cases[-int64(errno)]; ok {
					return to
				}
				if errno == unix.EPERM {
					return i + 1
				}
				return -1
			}},
		}[[]int{0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 5, 6}[random.IntN(12)]]
		l.Mark(labels[i])
		l.Stage(fmt.Sprintf("move %d", i), "", 0)
		list[i].write()
	}
	l.Mark(labels[len(list)])
	send(l, slots[:]...)
	for i := range 4 {
		l.Load(slots[i], memory, 4*i, 1<<32-1)
	}
	send(l, slots[:4]...)
	return list
}

func TestRandomListsDoWhatAModelDoes(t *testing.T) {
	ended, failed := 0, 0
	for seed := uint64(0); ended < 150; seed++ {
		random := rand.New(rand.NewPCG(17, seed))
		l := calls.New("container", false)
		l.Do(unix.SYS_UMASK, 0o22)
		m, at, steps := model{umask: 0o22}, 0, 0
		list := moves(random, l)
		for last := at; at < len(list); steps++ {
			if last, at = at, list[at].do(&m); at < 0 {
				at = last
				break
			}
			if steps > 10000 {
				break
			}
		}
		if steps > 10000 {
			continue
		}
		ended++
		messages, err := outcome(t, l)
		if at < len(list) {
			failed++
			assert.ErrorContains(t, err, fmt.Sprintf("move %d: ", at), "seed %d", seed)
			assert.True(t, errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH), err)
			continue
		}
		if !assert.NoError(t, err, "seed %d", seed) || !assert.Len(t, messages, 2) {
			return
		}
		var want, words []int
		for _, value := range m.slots {
			want = append(want, int(int32(value)))
		}
		for _, word := range m.memory {
			words = append(words, int(int32(word)))
		}
		assert.Equal(t, want, values(t, messages[0]), "seed %d", seed)
		assert.Equal(t, words, values(t, messages[1]), "seed %d", seed)
	}
	assert.Greater(t, failed, 10)
	assert.Less(t, failed, 140)
}
