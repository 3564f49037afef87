//go:build linux

package calls

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// machine is the address of the machine's code in final, where nothing ever calls it. machine_amd64.s, machine_arm64.s
var machine uintptr

// endMark follows the last instruction of the machine.
const endMark = "endofall"

// The file begins with its header and the code. The data follows, without a gap.
const (
	codeStart = 64 + 4*56
	codeEnd   = 1024
)

// The header tells the kernel how to put the file into memory: the code to read and execute, the data to read and write. A third
// part is not in the file, because it is all zeros. No memory is both written and executed. elf(5)
type header struct {
	ident                     [16]byte
	kind, machine             uint16
	version                   uint32
	entry, programs, sections uint64
	flags                     uint32
	size, programSize         uint16
	programCount              uint16
	_                         [3]uint16
	segments                  [4]segment
}

type segment struct {
	kind, flags                                   uint32
	offset, address, _, inFile, inMemory, aligned uint64
}

const (
	load, stack                   = 1, 0x6474e551
	mayExecute, mayWrite, mayRead = 1, 2, 4
)

// Image returns the program as a file to execute: execveat(2). Nobody can change the file any more.
func (l *List) Image() (*os.File, error) {
	parts, err := l.parts()
	if err != nil {
		return nil, err
	}
	file, seals, err := memory("final:" + l.side)
	if err != nil {
		return nil, fmt.Errorf("make the program of the %s: %w", l.side, err)
	}
	if err := fill(int(file.Fd()), parts, seals); err != nil {
		file.Close()
		return nil, fmt.Errorf("make the program of the %s: %w", l.side, err)
	}
	return file, nil
}

// fill writes the content of a file and seals it.
func fill(fd int, parts [][]byte, seals int) error {
	size := 0
	for _, part := range parts {
		size += len(part)
	}
	n, err := unix.Writev(fd, parts)
	if err == nil && n < size {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("write %d bytes to a file in memory: %w", size, err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("seal a file in memory: %w", err)
	}
	return nil
}

// memory makes an empty file in memory that can be executed, and says which seals the kernel has for the file. memfd_create(2)
func memory(name string) (*os.File, int, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_EXEC)
	switch {
	case err == nil:
		return os.NewFile(uintptr(fd), name), seals | unix.F_SEAL_EXEC, nil
	case errors.Is(err, unix.EINVAL):
		// Linux before 6.3 does not know MFD_EXEC: all such files can be executed.
		fd, err = unix.MemfdCreate(name, flags)
	case errors.Is(err, unix.EACCES):
		err = fmt.Errorf("%w: this kernel may not execute files in memory: allow it with `sysctl vm.memfd_noexec=1`", err)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("memfd_create: %w", err)
	}
	return os.NewFile(uintptr(fd), name), seals, nil
}

// parts are the content of the file: header and code, memory, ops, and one more op that ends the process after the last call.
func (l *List) parts() ([][]byte, error) {
	zeros := l.zeros - zeroStart + Address(8*l.slots)
	if l.err == nil && zeros > dataStart-zeroStart {
		l.err = fmt.Errorf("list of the %s: its buffers have %d bytes, and only %d are possible", l.side, zeros, dataStart-zeroStart)
	}
	if l.err != nil {
		return nil, l.err
	}
	for _, j := range l.jumps {
		to := l.labels[j.to]
		if to == none {
			return nil, fmt.Errorf("list of the %s: call %d jumps to a label that is nowhere", l.side, j.op)
		}
		l.ops[j.op].target[j.at] = to
	}
	l.align()
	binary.LittleEndian.PutUint64(l.memory, uint64(l.next()))
	binary.LittleEndian.PutUint64(l.memory[8:], uint64(l.zeros))
	end := []op{{nr: unix.SYS_EXIT_GROUP, out: none, text: none}}
	head := make([]byte, codeEnd)
	*(*header)(unsafe.Pointer(&head[0])) = elf(len(l.memory)+len(bytesOf(l.ops))+len(bytesOf(end)), zeros)
	copy(head[codeStart:], code())
	return [][]byte{head, l.memory, bytesOf(l.ops), bytesOf(end)}, nil
}

func bytesOf(ops []op) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(ops))), len(ops)*int(unsafe.Sizeof(op{})))
}

// elf is the header of a file whose data and zeros have these sizes.
func elf(data int, zeros Address) header {
	h := header{
		// 64 bits, little endian.
		ident:   [16]byte{0x7f, 'E', 'L', 'F', 2, 1, 1},
		kind:    2,
		machine: 62,
		version: 1,
		entry:   textStart + codeStart, programs: 64, size: 64, programSize: 56, programCount: 4,
		segments: [4]segment{
			{kind: load, flags: mayRead | mayExecute, address: textStart, inFile: codeEnd, inMemory: codeEnd, aligned: pageSize},
			{kind: load, flags: mayRead | mayWrite, address: zeroStart, inMemory: uint64(zeros), aligned: pageSize},
			{kind: load, flags: mayRead | mayWrite, offset: codeEnd, address: dataStart + codeEnd,
				inFile: uint64(data), inMemory: uint64(data), aligned: pageSize},
			{kind: stack, flags: mayRead | mayWrite, aligned: 16},
		},
	}
	if runtime.GOARCH == "arm64" {
		h.machine = 183
	}
	return h
}

// code is the machine's code.
func code() []byte {
	all := unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&machine))), codeEnd-codeStart)
	return all[:bytes.Index(all, []byte(endMark))]
}
