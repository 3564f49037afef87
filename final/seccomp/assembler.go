//go:build linux

package seccomp

import "golang.org/x/sys/unix"

// The offsets of struct seccomp_data. seccomp(2)
const (
	offsetNumber    = 0
	offsetArch      = 4
	offsetArguments = 16
)

// farthest is how many instructions a conditional jump can skip, less one: a long jump for the other target may come in between.
const farthest = 255 - 1

// assembler writes a program from its last instruction to its first. Jumps of classic BPF only go forward, so the assembler has
// written the target of a jump before the jump, and knows the distance.
type assembler struct {
	reversed []unix.SockFilter
	// returns has the newest return instruction for each action.
	returns map[uint32]label
}

// label is the place of an instruction, counted from the end of the program. The last instruction is 0.
type label int

func newAssembler() *assembler {
	return &assembler{reversed: make([]unix.SockFilter, 0, 256), returns: make(map[uint32]label, 8)}
}

// program returns the instructions in the order in which they run.
func (a *assembler) program() []unix.SockFilter {
	program := make([]unix.SockFilter, len(a.reversed))
	for i, instruction := range a.reversed {
		program[len(program)-1-i] = instruction
	}
	return program
}

// write puts an instruction in front of all others.
func (a *assembler) write(instruction unix.SockFilter) label {
	a.reversed = append(a.reversed, instruction)
	return label(len(a.reversed) - 1)
}

// skip is the number of instructions between the next instruction that write writes and the target.
func (a *assembler) skip(target label) int { return len(a.reversed) - 1 - int(target) }

// ret ends the filter with an action. It uses an existing return instruction again if one is close enough.
func (a *assembler) ret(action uint32) label {
	if target, ok := a.returns[action]; ok && a.skip(target) < farthest {
		return target
	}
	a.returns[action] = a.write(unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action})
	return a.returns[action]
}

// near is the target itself, or a long jump to the target if a conditional jump does not reach it.
func (a *assembler) near(target label) label {
	if a.skip(target) <= farthest {
		return target
	}
	return a.long(target)
}

// long writes an unconditional jump, which reaches any target.
func (a *assembler) long(target label) label {
	return a.write(unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JA, K: uint32(a.skip(target))})
}

// jump compares the accumulator with k by BPF_JEQ, BPF_JGE, BPF_JGT or BPF_JSET, all unsigned.
func (a *assembler) jump(comparison uint16, k uint32, yes, no label) label {
	yes = a.near(yes)
	no = a.near(no)
	return a.write(unix.SockFilter{
		Code: unix.BPF_JMP | unix.BPF_K | comparison,
		Jt:   uint8(a.skip(yes)),
		Jf:   uint8(a.skip(no)),
		K:    k,
	})
}

// load puts four bytes of struct seccomp_data into the accumulator and goes on at next.
func (a *assembler) load(offset uint32, next label) label {
	a.fallTo(next)
	return a.write(unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset})
}

// and clears the bits of the accumulator that are not in the mask, and goes on at next.
func (a *assembler) and(mask uint32, next label) label {
	if mask == 1<<32-1 {
		return next
	}
	a.fallTo(next)
	return a.write(unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: mask})
}

// fallTo makes sure that the program goes on at next after the next instruction that write writes.
func (a *assembler) fallTo(next label) {
	if a.skip(next) != 0 {
		a.long(next)
	}
}

// compare goes on at yes if the comparison holds, and at no otherwise. The accumulator has 32 bits, so the program compares the
// two halves of an argument one after the other. Both architectures are little-endian: the high half is the second.
func (a *assembler) compare(c comparison, yes, no label) label {
	switch c.op {
	case notEqual:
		return a.compare(comparison{equal, c.index, c.value, c.mask}, no, yes)
	case less:
		return a.compare(comparison{greaterEqual, c.index, c.value, c.mask}, no, yes)
	case lessEqual:
		return a.compare(comparison{greater, c.index, c.value, c.mask}, no, yes)
	}
	low := offsetArguments + 8*uint32(c.index)
	high := low + 4
	lowValue, highValue := uint32(c.value), uint32(c.value>>32)
	switch c.op {
	case greaterEqual, greater:
		test := uint16(unix.BPF_JGE)
		if c.op == greater {
			test = unix.BPF_JGT
		}
		next := a.load(low, a.jump(test, lowValue, yes, no))
		next = a.jump(unix.BPF_JEQ, highValue, next, no)
		return a.load(high, a.jump(unix.BPF_JGT, highValue, yes, next))
	default:
		next := a.load(low, a.and(uint32(c.mask), a.jump(unix.BPF_JEQ, lowValue, yes, no)))
		if c.mask>>32 == 0 {
			return next
		}
		return a.load(high, a.and(uint32(c.mask>>32), a.jump(unix.BPF_JEQ, highValue, next, no)))
	}
}
