//go:build linux

package become

import (
	"fmt"

	"golang.org/x/sys/unix"

	"container-workshop/final/calls"
)

// Orders are the message that lets the process go on, once it has its namespaces and has made its file systems. They bring descriptors of
// what the host side has made meanwhile, the path of the command, and a HOME.
type Orders struct {
	// Root is the mount for the root directory of a new container, or the root directory of a container to join.
	Root int
	// Slave is the command's side of its terminal.
	Slave int
	// Null are the container's /dev/null, for standard streams that the process replaces.
	Null [3]int
	// Tasks are the files by which the process joins cgroups.
	Tasks []int
	// Start is a listening socket, and Held a locked file, for a process that waits for start.
	Start, Held int
	// Command is the path of the command.
	Command string
	// Home is the variable HOME for a command whose configuration has none.
	Home string
}

// orders say where the Orders go: to which memory and to which slots of the process.
type orders struct {
	path, home               calls.Buffer
	root, slave, start, held calls.Slot
	null                     [3]calls.Slot
	tasks                    []calls.Slot
}

// The two texts have a fixed length, so the message has, too.
const (
	pathSize = unix.PathMax
	homeSize = unix.PathMax + 8
)

// slots lists the slots in the order in which descriptors come. Encode has the same order.
func (p *Program) slots() []*calls.Slot {
	o := &p.orders
	all := []*calls.Slot{&o.root}
	if p.Process.Terminal {
		all = append(all, &o.slave)
	}
	for i := range o.null {
		if p.Null[i] {
			all = append(all, &o.null[i])
		}
	}
	o.tasks = make([]calls.Slot, p.Tasks)
	for i := range o.tasks {
		all = append(all, &o.tasks[i])
	}
	if p.Held {
		all = append(all, &o.start, &o.held)
	}
	return all
}

// Encode returns the message that receive expects.
func (p *Program) Encode(o *Orders) (message []byte, descriptors []int) {
	message = make([]byte, pathSize+homeSize)
	copy(message[:pathSize-1], o.Command)
	copy(message[pathSize:len(message)-1], o.Home)
	p.command = o.Command
	p.execve.Call = fmt.Sprintf("execve(%q)", o.Command)
	descriptors = []int{o.Root}
	if p.Process.Terminal {
		descriptors = append(descriptors, o.Slave)
	}
	for i, null := range o.Null {
		if p.Null[i] {
			descriptors = append(descriptors, null)
		}
	}
	descriptors = append(descriptors, o.Tasks...)
	if p.Held {
		descriptors = append(descriptors, o.Start, o.Held)
	}
	return message, descriptors
}

// A header is struct msghdr of recvmsg(2) and sendmsg(2), and a part is struct iovec.
type (
	header struct {
		// A pair of connected sockets needs no name.
		_             [2]uint64
		parts         calls.Address
		partsLength   uint64
		control       calls.Address
		controlLength uint64
		// The kernel writes flags.
		_ uint64
	}
	part struct {
		start  calls.Address
		length uint64
	}
)

// receive adds the wait for the orders.
func (p *Program) receive() {
	o := &p.orders
	slots := p.slots()
	o.path, o.home = p.Named("<path of the command>", pathSize), p.Named("<HOME=…>", homeSize)
	control := p.Buffer(unix.CmsgSpace(4 * len(slots)))
	parts := p.Struct(&[2]part{{o.path.At(0), pathSize}, {o.home.At(0), homeSize}})
	message := p.Struct(&header{parts: parts.At(0), partsLength: 2, control: control.At(0), controlLength: uint64(control.Size)})

	p.Stage("recvmsg(go on)", "unix(7)", 0).Waiting = true
	goOn := p.Label()
	p.Do(unix.SYS_RECVMSG, calls.SocketSlot, message, unix.MSG_CMSG_CLOEXEC).On(pathSize+homeSize, goOn)
	// The host side has ended.
	p.Exit(StatusFailed)
	p.Mark(goOn)
	// The kernel leaves out descriptors for which the process has no room. A container that the process joins may have lowered the limit of
	// the process, so that it would use its standard input in place of a cgroup. prlimit(2), unix(7)
	complete := p.Label()
	p.Load(p.Slot(), control, 0, 1<<32-1).On(int64(unix.CmsgLen(4*len(slots))), complete)
	p.Fail(unix.EMFILE).Fails(func(err error, _ string) error {
		return fmt.Errorf("recvmsg(%d descriptors): %w (raise the limit nofile of final; a process of the container may also have lowered it)", len(slots), err)
	})
	p.Mark(complete)
	for i, slot := range slots {
		*slot = p.Slot()
		p.Load(*slot, control, unix.CmsgLen(0)+4*i, 1<<32-1)
	}
}

// send sends the descriptors in slots, in as many messages as it takes.
func (p *Program) send(word uint32, slots []calls.Slot) {
	// SCM_MAX_FD is 253. unix(7)
	const most = 250
	for len(slots) > 0 {
		now := slots[:min(len(slots), most)]
		slots = slots[len(now):]
		control := p.Buffer(unix.CmsgSpace(4 * len(now)))
		for i, number := range []uint32{uint32(unix.CmsgLen(4 * len(now))), 0, unix.SOL_SOCKET, unix.SCM_RIGHTS} {
			value := p.Slot()
			p.Set(value, number)
			p.Store(control, 4*i, value)
		}
		for i, slot := range now {
			p.Store(control, unix.CmsgLen(0)+4*i, slot)
		}
		whole := p.Struct(&part{p.Struct(&word).At(0), 4})
		message := p.Struct(&header{parts: whole.At(0), partsLength: 1, control: control.At(0), controlLength: uint64(control.Size)})
		p.Do(unix.SYS_SENDMSG, calls.SocketSlot, message, unix.MSG_NOSIGNAL)
	}
}
