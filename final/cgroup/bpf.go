//go:build linux

package cgroup

import (
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// instruction is one of the kernel's virtual machine. Its layout is struct bpf_insn of linux/bpf.h: registers has the
// destination in the lower half, and the source in the upper one, on the processors that Go's linux/amd64 and arm64 are.
// Documentation/bpf/standardization/instruction-set.rst
type instruction struct {
	code      uint8
	registers uint8
	offset    int16
	immediate int32
}

// The registers: what the program returns, the address of its struct bpf_cgroup_dev_ctx, and what it takes from there.
const (
	rResult = iota
	rContext
	rRequest
	rKind
	rMajor
	rMinor
)

// Offsets in struct bpf_cgroup_dev_ctx, and its values. linux/bpf.h
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

func copyTo(to, from uint8) instruction {
	return instruction{unix.BPF_ALU | unix.BPF_MOV | unix.BPF_X, from<<4 | to, 0, 0}
}

// jump skips a number of instructions if the comparison holds. It compares 32 bits, since Linux 5.1.
func jump(comparison, register uint8, with int32, skip int) instruction {
	return instruction{unix.BPF_JMP32 | comparison | unix.BPF_K, register, int16(skip), with}
}

// returns ends the program: with 1 the access is allowed, with 0 it fails with EPERM.
func returns(value int32) []instruction {
	return []instruction{compute(unix.BPF_MOV, rResult, value), {code: unix.BPF_JMP | unix.BPF_EXIT}}
}

// deviceProgram turns the rules into a program that the kernel runs each time one of our processes opens or makes a device.
//
// It starts with all that is requested, in a register, and goes through the rules from the last to the first. A rule that
// matches the device and denies something of the request ends it. One that allows something takes that from the request, and
// ends it if nothing is left. So for each kind of access the last rule that matches decides. What no rule decides is allowed, as
// it is in a new cgroup of version 1: the programs of the cgroups above decide, all of which have to agree.
func deviceProgram(rules []deviceRule) []instruction {
	program := []instruction{
		load(rKind, contextAccessType),
		copyTo(rRequest, rKind),
		// The upper half has the kinds of access, the lower half that of device.
		compute(unix.BPF_RSH, rRequest, 16),
		compute(unix.BPF_AND, rKind, 0xffff),
		load(rMajor, contextMajor),
		load(rMinor, contextMinor),
	}
	for _, rule := range slices.Backward(rules) {
		if rule.isAll() {
			allowed := int32(0)
			if rule.allow {
				allowed = 1
			}
			return append(program, returns(allowed)...)
		}
		program = append(program, ruleProgram(rule)...)
	}
	return append(program, returns(1)...)
}

func ruleProgram(rule deviceRule) []instruction {
	var verdict []instruction
	if rule.allow {
		verdict = []instruction{
			compute(unix.BPF_AND, rRequest, int32(anyAccess&^rule.access)),
			jump(unix.BPF_JNE, rRequest, 0, 2),
		}
		verdict = append(verdict, returns(1)...)
	} else {
		verdict = []instruction{
			jump(unix.BPF_JSET, rRequest, int32(rule.access), 1),
			{code: unix.BPF_JMP | unix.BPF_JA, offset: 2},
		}
		verdict = append(verdict, returns(0)...)
	}
	// Each condition skips those behind it, and the verdict.
	var program []instruction
	if rule.minor != anyNumber {
		program = append(program, jump(unix.BPF_JNE, rMinor, int32(rule.minor), len(verdict)))
	}
	if rule.major != anyNumber {
		program = append(program, jump(unix.BPF_JNE, rMajor, int32(rule.major), len(verdict)+len(program)))
	}
	if rule.kind != 'a' {
		number := int32(kindChar)
		if rule.kind == 'b' {
			number = kindBlock
		}
		program = append(program, jump(unix.BPF_JNE, rKind, number, len(verdict)+len(program)))
	}
	slices.Reverse(program)
	return append(program, verdict...)
}

// bpf is the system call, whose last argument is a member of union bpf_attr. bpf(2)
func bpf[T any](command int, attr *T) (int, error) {
	for tries := 0; ; tries++ {
		n, _, errno := unix.Syscall(unix.SYS_BPF, uintptr(command), uintptr(unsafe.Pointer(attr)), unsafe.Sizeof(*attr))
		if errno == 0 {
			return int(n), nil
		}
		// The verifier gives way to signals, of which Go's scheduler sends some.
		if errno != unix.EINTR && errno != unix.EAGAIN || tries == 100 {
			return -1, errno
		}
	}
}

// loadDeviceProgram gives a program to the kernel, which checks that it ends and reads nothing else. It returns a descriptor.
func loadDeviceProgram(program []instruction) (int, error) {
	// To the compiler, an address in a number is no reference: what it is of could be moved, or freed.
	var pinner runtime.Pinner
	defer pinner.Unpin()
	license := new(byte)
	pinner.Pin(license)
	pinner.Pin(unsafe.SliceData(program))
	attr := struct {
		programType      uint32
		instructionCount uint32
		instructions     uint64
		license          uint64
		logLevel         uint32
		logSize          uint32
		log              uint64
		kernelVersion    uint32
		flags            uint32
		name             [16]byte
		interfaceIndex   uint32
		attachType       uint32
	}{
		programType:      unix.BPF_PROG_TYPE_CGROUP_DEVICE,
		instructionCount: uint32(len(program)),
		instructions:     uint64(uintptr(unsafe.Pointer(unsafe.SliceData(program)))),
		license:          uint64(uintptr(unsafe.Pointer(license))),
		attachType:       unix.BPF_CGROUP_DEVICE,
	}
	copy(attr.name[:], "devices")
	fd, err := bpf(unix.BPF_PROG_LOAD, &attr)
	if err != nil {
		return -1, fmt.Errorf("load a BPF program of %d instructions: %w", len(program), err)
	}
	return fd, nil
}
