//go:build linux

package calls

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A described is a buffer with what Print says of it.
type described struct {
	Buffer
	// name stands for a buffer that the process fills later. It can be empty.
	name string
	// pointers says that the buffer has the addresses of strings, and a nil at the end.
	pointers bool
}

// A printer writes a list as text.
type printer struct {
	*List
	io.Writer
	// marks are the labels, by the number of the op that follows, and seen are the buffers that already have a number.
	marks map[uint32]string
	seen  map[Address]int
}

// Print writes the list for people: a line for each stage, and below it the system calls of the stage.
//
// A slot is s1, s2 and so on, and `= s1` says that the result goes there. A buffer is b1, b2 and so on, with its size. After a semicolon
// stands what the process does for a certain result, such as `EPERM: go on`. All other errors end the process.
func (l *List) Print(w io.Writer) {
	p := &printer{l, w, map[uint32]string{}, map[Address]int{}}
	places := slices.Clone(l.labels)
	slices.Sort(places)
	for i, place := range slices.Compact(places) {
		p.marks[place] = fmt.Sprintf("L%d", i+1)
	}
	var now *Stage
	for _, c := range l.calls {
		if c.stage != now {
			now = c.stage
			step := "-"
			if now.Step > 0 {
				step = fmt.Sprintf("%02d", now.Step)
			}
			fmt.Fprintf(w, "%-5s %-58s %s\n", step, now.Call, now.Man)
		}
		if mark := p.marks[uint32(c.op)]; mark != "" {
			fmt.Fprintf(w, "    %s:\n", mark)
		}
		fmt.Fprintf(w, "      %s\n", p.call(c.op))
	}
	if mark := p.marks[uint32(len(l.ops))]; mark != "" {
		fmt.Fprintf(w, "    %s:\n", mark)
	}
}

// call is the text of one call.
func (p *printer) call(number int) string {
	o := &p.ops[number]
	if o.nr == doSet && o.out == none && o.cases == 1 {
		// See Goto.
		return p.next(number, 0)
	}
	text := p.work(o)
	if o.out != none && o.nr < doSet {
		text += fmt.Sprintf(" = s%d", o.out)
	}
	for i := range o.cases {
		result := fmt.Sprint(o.value[i])
		if o.value[i] < 0 {
			result = unix.ErrnoName(unix.Errno(-o.value[i]))
		}
		text += fmt.Sprintf("; %s: %s", result, p.next(number, int(i)))
	}
	if o.text == ignored {
		text += "; any error: go on"
	}
	return text
}

// next says what the process does in a case of a call.
func (p *printer) next(call, at int) string {
	// Only Image writes labels into the op.
	for _, j := range p.jumps {
		if j.op == call && j.at == at {
			return "go to " + p.marks[p.labels[j.to]]
		}
	}
	return "go on"
}

// work is the text of what a call does, without its result.
func (p *printer) work(o *op) string {
	switch o.nr {
	case doSet:
		return fmt.Sprintf("s%d = %s", o.out, p.argument(o, 0, nil))
	case doLoad:
		text := fmt.Sprintf("s%d = 32 bits at %s", o.out, p.argument(o, 0, nil))
		if mask := o.arg[1]; mask != 1<<32-1 {
			text += fmt.Sprintf(" & %#x", mask)
		}
		return text
	case doStore:
		return fmt.Sprintf("32 bits at %s = %s", p.argument(o, 0, nil), p.argument(o, 1, nil))
	case doFail:
		return "fail with " + unix.ErrnoName(unix.Errno(-int64(o.arg[0])))
	}
	s := shapeOf(o.nr)
	count := s.count
	for i := range o.arg {
		if o.arg[i] != 0 || o.slots>>i&1 == 1 {
			count = max(count, i+1)
		}
	}
	args := make([]string, count)
	for i := range args {
		args[i] = p.argument(o, i, s.args[i])
	}
	return s.name + "(" + strings.Join(args, ", ") + ")"
}

// argument is the text of an argument.
func (p *printer) argument(o *op, i int, words *words) string {
	switch value := o.arg[i]; {
	case o.slots>>i&1 == 1:
		return fmt.Sprintf("s%d", value)
	case o.addresses>>i&1 == 1:
		return p.address(Address(value))
	case words != nil:
		return words.text(value)
	default:
		return fmt.Sprint(int64(value))
	}
}

// address is the text of what is at an address.
func (p *printer) address(a Address) string {
	at := slices.IndexFunc(p.buffers, func(d described) bool { return a >= d.start && (a < d.start+Address(d.Size) || a == d.start) })
	if at == -1 {
		text, _, _ := bytes.Cut(p.content(a, len(p.memory)), []byte{0})
		return fmt.Sprintf("%q", text)
	}
	d := p.buffers[at]
	content := p.content(d.start, d.Size)
	switch {
	case d.name != "":
		return d.name
	case d.pointers:
		var all []string
		for ; len(content) > 8; content = content[8:] {
			all = append(all, p.address(Address(binary.LittleEndian.Uint64(content))))
		}
		return "[" + strings.Join(all, ", ") + "]"
	case a == d.start && printable(content):
		return fmt.Sprintf("%q", content)
	}
	if p.seen[d.start] == 0 {
		p.seen[d.start] = len(p.seen) + 1
	}
	text := fmt.Sprintf("b%d<%d bytes>", p.seen[d.start], d.Size)
	if a > d.start {
		text += fmt.Sprintf("+%d", a-d.start)
	}
	return text
}

// content is the memory of the list from an address on. There is none for a buffer that is zero when the process starts.
func (p *printer) content(a Address, size int) []byte {
	const start = dataStart + codeEnd
	if a < start || a > start+Address(len(p.memory)) {
		return nil
	}
	rest := p.memory[a-start:]
	return rest[:min(size, len(rest))]
}

// printable reports whether some content is text.
func printable(content []byte) bool {
	return len(content) > 0 && !slices.ContainsFunc(content, func(b byte) bool { return b != '\n' && b < ' ' || b > '~' })
}
