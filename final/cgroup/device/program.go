//go:build linux

package device

import (
	"slices"

	"golang.org/x/sys/unix"
)

// instruction is one instruction of a BPF program, laid out like struct bpf_insn of linux/bpf.h. On amd64 and arm64 the lower half
// of registers is the destination, and the upper half the source. Documentation/bpf/standardization/instruction-set.rst
type instruction struct {
	code      uint8
	registers uint8
	offset    int16
	immediate int32
}

// The registers hold the result, the address of struct bpf_cgroup_dev_ctx, and the values that the program loads from there.
const (
	rResult = iota
	rContext
	rRequest
	rKind
	rMajor
	rMinor
)

// These are offsets in struct bpf_cgroup_dev_ctx, and the kinds of device that it knows. linux/bpf.h
const (
	contextAccessType = 0
	contextMajor      = 4
	contextMinor      = 8

	kindBlock = 1
	kindChar  = 2
)

func load(to uint8, offset int16) instruction {
	return instruction{unix.BPF_LDX | unix.BPF_MEM | unix.BPF_W, rContext<<4 | to, offset, 0}
}

func compute(operation, to uint8, with int32) instruction {
	return instruction{unix.BPF_ALU | operation | unix.BPF_K, to, 0, with}
}

// jump skips instructions if the comparison of 32 bits holds. Linux 5.1 added these jumps.
func jump(comparison, register uint8, with int64, skip int) instruction {
	return instruction{unix.BPF_JMP32 | comparison | unix.BPF_K, register, int16(skip), int32(with)}
}

// verdict ends the program. The kernel allows the access, or fails it with EPERM.
func verdict(allow bool) []instruction {
	result := int32(0)
	if allow {
		result = 1
	}
	return []instruction{compute(unix.BPF_MOV, rResult, result), {code: unix.BPF_JMP | unix.BPF_EXIT}}
}

// compile turns the rules into a program.
//
// The program keeps the requested kinds of access in a register and tries the rules from the last to the first. A rule that denies
// one of these kinds ends the program. A rule that allows some of them removes them from the register, and ends the program when
// none is left. So the last matching rule decides for each kind of access. The program allows whatever no rule decides, like a new
// cgroup of version 1. The programs of the cgroups above run too, and all of them have to allow the access.
func compile(rules []Rule) []instruction {
	code := []instruction{
		load(rKind, contextAccessType),
		// The upper half of this word is the access, and the lower half the kind of device.
		{unix.BPF_ALU | unix.BPF_MOV | unix.BPF_X, rKind<<4 | rRequest, 0, 0},
		compute(unix.BPF_RSH, rRequest, 16),
		compute(unix.BPF_AND, rKind, 0xffff),
		load(rMajor, contextMajor),
		load(rMinor, contextMinor),
	}
	for _, rule := range slices.Backward(rules) {
		if rule.isAll() {
			return append(code, verdict(rule.Allow)...)
		}
		code = append(code, rule.compile()...)
	}
	return append(code, verdict(true)...)
}

// compile turns one rule into instructions.
func (r Rule) compile() []instruction {
	code := []instruction{
		jump(unix.BPF_JSET, rRequest, int64(r.access), 1),
		{code: unix.BPF_JMP | unix.BPF_JA, offset: 2},
	}
	if r.Allow {
		code = []instruction{
			compute(unix.BPF_AND, rRequest, int32(anyAccess&^r.access)),
			jump(unix.BPF_JNE, rRequest, 0, 2),
		}
	}
	code = append(code, verdict(r.Allow)...)
	// A condition that does not hold skips the conditions behind it and the verdict.
	for _, condition := range []struct {
		register uint8
		want     int64
	}{{rMinor, r.minor}, {rMajor, r.major}, {rKind, map[byte]int64{'a': anyNumber, 'b': kindBlock, 'c': kindChar}[r.kind]}} {
		if condition.want != anyNumber {
			code = slices.Insert(code, 0, jump(unix.BPF_JNE, condition.register, condition.want, len(code)))
		}
	}
	return code
}
