//go:build linux

package calls

import (
	"encoding/binary"
	"reflect"
	"unsafe"
)

// The memory of the process begins at these addresses: the code, the memory that is zero, and the data. Each address is a multiple of
// 64 KiB, the largest page that a kernel uses. All three share one page table, if the data has less than 1 MiB.
const (
	textStart = 0x400000
	zeroStart = 0x410000
	dataStart = 0x500000
	pageSize  = 0x10000
)

// headerSize is the size of the two addresses at the beginning of the data. They tell the machine where the first op and the first
// slot are.
const headerSize = 16

// timeSize is the size of a unix.Timespec.
const timeSize = 16

// An Address is an address in the memory of the process.
type Address uint64

// A Buffer is a part of the memory of the process.
type Buffer struct {
	start Address
	// Size is in bytes.
	Size int
}

// At is the address of a byte of the buffer.
func (b Buffer) At(offset int) Address { return b.start + Address(offset) }

// Buffer returns memory that is zero when the process starts. It is aligned to 16 bytes.
func (l *List) Buffer(size int) Buffer {
	return l.Named("", size)
}

// Named is Buffer, with a name for Print.
func (l *List) Named(name string, size int) Buffer {
	b := Buffer{l.zeros, size}
	l.zeros += Address(size+15) &^ 15
	l.buffers = append(l.buffers, described{Buffer: b, name: name})
	return b
}

// Bytes returns memory with this content. It is aligned to 16 bytes.
func (l *List) Bytes(content []byte) Buffer {
	l.align()
	b := Buffer{l.next(), len(content)}
	l.memory = append(l.memory, content...)
	l.buffers = append(l.buffers, described{Buffer: b})
	return b
}

// Struct returns memory with the content of the structure to which x points. The structure holds no pointers: use an Address.
func (l *List) Struct(x any) Buffer {
	v := reflect.ValueOf(x)
	if v.Kind() != reflect.Pointer || v.IsNil() || pointers(v.Type().Elem()) {
		l.mistake("%T does not point to a structure without pointers", x)
		return Buffer{}
	}
	return l.Bytes(unsafe.Slice((*byte)(v.UnsafePointer()), v.Type().Elem().Size()))
}

// pointers says whether a type is not just numbers.
func pointers(t reflect.Type) bool {
	switch k := t.Kind(); k {
	case reflect.Struct:
		for i := range t.NumField() {
			if pointers(t.Field(i).Type) {
				return true
			}
		}
		return false
	case reflect.Array:
		return pointers(t.Elem())
	default:
		return k < reflect.Bool || k > reflect.Complex128
	}
}

// Strings returns the addresses of the strings, and a nil at the end: what execve(2) takes.
func (l *List) Strings(list []string) Buffer {
	items := make([]any, len(list))
	for i, s := range list {
		items[i] = s
	}
	return l.StringPointers(items...)
}

// StringPointers does the same for strings, Buffers and Addresses. The process can put a text into a Buffer later.
func (l *List) StringPointers(items ...any) Buffer {
	pointers := make([]byte, 0, 8*(len(items)+1))
	for _, item := range items {
		switch item.(type) {
		case string, Buffer, Address:
		default:
			l.mistake("a %T is no string", item)
		}
		pointers = binary.LittleEndian.AppendUint64(pointers, l.argument(item))
	}
	b := l.Bytes(append(pointers, make([]byte, 8)...))
	l.buffers[len(l.buffers)-1].pointers = true
	return b
}

// next is the address of the next byte of the memory.
func (l *List) next() Address { return dataStart + codeEnd + Address(len(l.memory)) }

func (l *List) align() {
	for len(l.memory)%16 != 0 {
		l.memory = append(l.memory, 0)
	}
}

// inside checks that the buffer has 32 bits at the offset.
func (l *List) inside(b Buffer, offset int) {
	if offset < 0 || offset+4 > b.Size {
		l.mistake("no 32 bits are at offset %d of a buffer of %d bytes", offset, b.Size)
	}
}
