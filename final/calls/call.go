//go:build linux

package calls

import (
	"reflect"
	"strings"

	"golang.org/x/sys/unix"
)

// An op is a call as the machine reads it.
type op struct {
	nr  uint64
	arg [6]uint64
	// If bit i of slots is set, arg[i] is the number of a slot, and the argument is the value in the slot.
	slots uint32
	// out is the slot for the result, or none.
	out uint32
	// If the result is value[i], the machine goes on at the op with the number target[i].
	value  [4]int64
	target [4]uint32
	cases  uint32
	// text is the slot of a descriptor that explains a failure, or none. With ignored the call cannot fail.
	text uint32
	// If bit i of addresses is set, arg[i] is an address: see Print. The machine does not look at it.
	addresses uint32
	_         uint32
}

const (
	// none is no slot and no label.
	none = 1<<32 - 1
	// ignored is the text of a call whose failure is ignored.
	ignored = 1<<32 - 2
)

// The kernel has no system calls with these numbers. The machine does their work itself.
const (
	// doSet returns its first argument.
	doSet = 1<<16 + iota
	// doLoad returns the 32 bits at an address, and only the bits that are set in its second argument.
	doLoad
	// doStore writes the lower 32 bits of its second argument to an address.
	doStore
	// doFail returns its first argument, which is an error.
	doFail
)

// A Call is one system call of a list. If the call fails, the machine reports the failure to the socket and ends the process with
// status 125. Allow and On make exceptions.
type Call struct {
	list  *List
	op    int
	stage *Stage
	fails func(err error, text string) error
}

// Do adds a system call with up to six arguments:
//   - an integer of any type,
//   - a Slot: the value in the slot when the process makes the call,
//   - a string, a []byte, a Buffer or an Address: an address in the memory of the process. A string ends with a zero byte there.
//   - nil: the address 0.
func (l *List) Do(nr uintptr, args ...any) *Call {
	o := op{nr: uint64(nr), out: none, text: none}
	if len(args) > len(o.arg) {
		l.mistake("call %d has %d arguments", nr, len(args))
		args = args[:len(o.arg)]
	}
	for i, arg := range args {
		switch v := arg.(type) {
		case Slot:
			o.slots |= 1 << i
			o.arg[i] = uint64(v)
			continue
		case string, []byte, Buffer, Address:
			o.addresses |= 1 << i
		}
		o.arg[i] = l.argument(arg)
	}
	c := &Call{list: l, op: len(l.ops)}
	if n := len(l.stages); n > 0 {
		c.stage = l.stages[n-1]
	}
	l.ops, l.calls = append(l.ops, o), append(l.calls, c)
	return c
}

// argument is the value of an argument that is not a slot.
func (l *List) argument(arg any) uint64 {
	switch v := arg.(type) {
	case nil:
		return 0
	case int:
		return uint64(v)
	case uintptr:
		return uint64(v)
	case Address:
		return uint64(v)
	case Buffer:
		return uint64(v.start)
	case string:
		return uint64(l.text(v))
	case []byte:
		return uint64(l.Bytes(v).start)
	}
	switch v := reflect.ValueOf(arg); {
	case v.CanInt():
		return uint64(v.Int())
	case v.CanUint():
		return v.Uint()
	}
	l.mistake("an argument is of type %T", arg)
	return 0
}

// Set sets a slot to a value or to the value of another slot.
func (l *List) Set(slot Slot, value any) *Call { return l.Do(doSet, value).To(slot) }

// Load sets a slot to the 32 bits at the offset of a buffer, and only to the bits that are set in mask.
func (l *List) Load(slot Slot, from Buffer, offset int, mask uint32) *Call {
	l.inside(from, offset)
	return l.Do(doLoad, from.At(offset), mask).To(slot)
}

// Store writes the lower 32 bits of a slot to the offset of a buffer.
func (l *List) Store(to Buffer, offset int, slot Slot) {
	l.inside(to, offset)
	l.Do(doStore, to.At(offset), slot)
}

// Fail adds a call that always fails with the error.
func (l *List) Fail(err unix.Errno) *Call { return l.Do(doFail, -int64(err)) }

// Exit ends the process.
func (l *List) Exit(status int) { l.Do(unix.SYS_EXIT_GROUP, status) }

// To leaves the result in the slot, if the call does not fail.
func (c *Call) To(slot Slot) *Call {
	c.list.ops[c.op].out = uint32(slot)
	return c
}

// Allow says that these errors are no failure: the process goes on with the next call.
func (c *Call) Allow(errors ...unix.Errno) *Call {
	for _, err := range errors {
		c.on(-int64(err), uint32(c.op+1))
	}
	return c
}

// Ignore says that no error is a failure: the process goes on with the next call.
func (c *Call) Ignore() *Call {
	c.list.ops[c.op].text = ignored
	return c
}

// On goes on at the label if the result of the call is this one. The result of a call that fails is -errno.
func (c *Call) On(result int64, to Label) *Call {
	if at, ok := c.on(result, none); ok {
		c.list.jumps = append(c.list.jumps, jump{c.op, at, to})
	}
	return c
}

// on adds a case that goes on at the op with the number target. It returns the number of the case.
func (c *Call) on(result int64, target uint32) (at int, ok bool) {
	o := &c.list.ops[c.op]
	at = int(o.cases)
	if at == len(o.value) {
		c.list.mistake("call %d has more than %d cases", c.op, at)
		return 0, false
	}
	o.value[at], o.target[at] = result, target
	o.cases++
	return at, true
}

// Fails makes the error of a failure of this call. Without Fails the error is `<call of the stage>: <err> (<text>)`.
func (c *Call) Fails(fails func(err error, text string) error) *Call {
	c.fails = fails
	return c
}

// Text says that the kernel explains a failure of this call: the machine reads the explanation from a descriptor of fsopen(2).
func (c *Call) Text(fs Slot) *Call {
	c.list.ops[c.op].text = uint32(fs)
	return c
}

// text puts a string into the memory of the process, with a zero after it.
func (l *List) text(s string) Address {
	if strings.IndexByte(s, 0) >= 0 {
		l.mistake("the text %q has a zero byte in it: a call would read only what is before it", s)
	}
	at := l.next()
	l.memory = append(append(l.memory, s...), 0)
	return at
}
