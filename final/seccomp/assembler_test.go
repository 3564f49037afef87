//go:build linux

package seccomp

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Compile seldom writes a jump whose two targets are both just out of reach. This test writes such jumps.
func TestJumpsOfEveryLength(t *testing.T) {
	for between := range 8 {
		for more := 245; more < 262; more++ {
			a := newAssembler()
			no := a.ret(1)
			fill(a, between)
			yes := a.ret(2)
			fill(a, more)
			a.load(offsetNumber, a.jump(unix.BPF_JEQ, 7, yes, no))
			assert.EqualValues(t, 2, runs(t, a, 7), "%d and %d between", between, more)
			assert.EqualValues(t, 1, runs(t, a, 8), "%d and %d between", between, more)
		}
	}
}

func fill(a *assembler, count int) {
	for range count {
		a.write(unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 99})
	}
}

func runs(t *testing.T, a *assembler, number byte) int {
	t.Helper()
	var raw []bpf.RawInstruction
	for _, f := range a.program() {
		raw = append(raw, bpf.RawInstruction{Op: f.Code, Jt: f.Jt, Jf: f.Jf, K: f.K})
	}
	program, _ := bpf.Disassemble(raw)
	vm, err := bpf.NewVM(program)
	require.NoError(t, err)
	value, err := vm.Run([]byte{0, 0, 0, number})
	require.NoError(t, err)
	return value
}
