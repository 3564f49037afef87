//go:build linux

// Package become runs on the host side. It compiles what a new process has to do until it becomes the command, to a list of system
// calls (package calls). The process makes these calls itself: it is process 1 of a container, or joins one. Package process starts it.
//
// Where the process is: in the namespaces of the container, with the rights of the host's root, or of user 0 of a user namespace. What it
// does: only what no other process can do for it. The rest, such as mounts and devices, is the work of a thread of the host side: see
// package inside. How it ends: the last call is execve of the command. If a call fails, the process reports which, and exits.
package become

import (
	"encoding/binary"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/calls"
	"container-workshop/final/capability"
	"container-workshop/final/namespace"
)

// A Request says what a process becomes, and where.
type Request struct {
	// Config is the configuration of the container.
	Config *specs.Spec
	// Process is the command.
	Process *specs.Process
	// Affinity is that of a process that joins a container. Nil for process 1, and where the configuration has none.
	Affinity *specs.CPUAffinity
	// Capabilities are those of the command.
	Capabilities capability.Sets
	// Filter is the compiled seccomp profile, empty for none. FilterFlags are its flags for seccomp(2).
	Filter      []unix.SockFilter
	FilterFlags uint
	// Namespaces are the new and the existing namespaces.
	Namespaces *namespace.Set
	// Extra is the number of descriptors that the command gets beside its standard streams: 3, 4, …
	Extra int
	// Null says which standard streams are to be the container's /dev/null.
	Null [3]bool
	// Give says which standard streams are pipes without a name: the user of the command gets them, and could not open /dev/stdout otherwise.
	Give [3]bool
	// Tasks is the number of files by which the process joins cgroups of version 1.
	Tasks int
	// MountLabel is the label of new file systems.
	MountLabel string
	// Unified says that the container sees a cgroup of version 2.
	Unified bool
	// Tied says that the process ends with the thread that starts it.
	Tied bool
	// Pauses says that the process waits for another word after its orders.
	Pauses bool
	// Held says that the process waits for start.
	Held bool
	// Init is this program, if the command is to have a process 1 in front of it. See package reaper.
	Init *os.File
	// NoPivot says that another root directory has been moved over the host's already. OldKeyring keeps the session keyring of the caller.
	NoPivot, OldKeyring bool
	// Explain asks for the times of the calls.
	Explain bool
}

// Words are the messages of the process. Each begins with one, in four bytes. 0 is a failure: see calls.List.Failure.
const (
	// WordFilesystems comes with the descriptors of new file systems.
	WordFilesystems = iota + 1
	// WordReady says that only what follows Orders is missing; the process waits for a byte.
	WordReady
	// WordHooks says that the startContainer hooks are to be run; the process waits for a byte.
	WordHooks
	// WordListener comes with the number of a descriptor of the process, which is about to be the listener of its filter. It waits for
	// a byte when it is.
	WordListener
	// WordPID comes with the PID of the process that the one who says it has started in its place.
	WordPID
	// WordTimes comes with the times of the stages until here.
	WordTimes
	// WordLast says that nothing can be said any more: the process is about to become the command.
	WordLast
)

// A Program is the list of one process.
type Program struct {
	*calls.List
	// Files are what the process gets beside the streams, extra descriptors and its socket, with the numbers after these.
	Files []*os.File
	// Missing are capabilities that the process cannot give to the command.
	Missing capability.Set

	*Request
	// joins says that the container is there already, and isHook that the command is a hook.
	joins, isHook bool
	// heldAt is the number of the first call after the wait for start.
	heldAt int
	// socket is the number of the socket to the host side.
	socket int
	orders orders
	// proc is a file system of the container's processes, attached nowhere, if there is one.
	proc calls.Slot
	// new are the places of the new file systems among their descriptors, by the index of the mount. count is the number of descriptors.
	new   map[int]int
	count int
	// saved has the limit on open files as the process got it.
	saved calls.Buffer
	// byte is where words of the host side go.
	byte calls.Buffer
	// command is the path of the command, when the host side has found it, and execve the stage for it.
	command string
	execve  *calls.Stage
	// initNumber is the number of the descriptor Init.
	initNumber int
}

func newProgram(q *Request) *Program {
	p := &Program{Request: q, List: calls.New("container", q.Explain), socket: 3 + q.Extra}
	p.Socket(p.socket)
	p.byte = p.Buffer(8)
	if q.Init != nil {
		p.initNumber = p.add(q.Init)
	}
	return p
}

// Replaces says whether the process replaces a standard stream before it becomes the command.
func (p *Program) Replaces(stream int) bool {
	return p.Null[stream] || p.Process != nil && p.Process.Terminal
}

// add adds a file to those that the process gets, and returns its number there.
func (p *Program) add(file *os.File) int {
	p.Files = append(p.Files, file)
	return p.socket + len(p.Files)
}

// wait adds a wait for a byte from the host side. If the host side has ended, so does the process.
func (p *Program) wait() {
	goOn := p.Label()
	p.Do(unix.SYS_READ, calls.SocketSlot, p.byte, 1).On(1, goOn)
	p.Exit(StatusFailed)
	p.Mark(goOn)
}

// say adds a message.
func (p *Program) say(word uint32, number calls.Slot) {
	message := p.Struct(&[2]uint32{word})
	p.Store(message, 4, number)
	p.Do(unix.SYS_WRITE, calls.SocketSlot, message, 8)
}

// tell is say without a number.
func (p *Program) tell(word uint32) {
	p.Do(unix.SYS_WRITE, calls.SocketSlot, p.Struct(&word), 4)
}

// begin adds what every process does first.
func (p *Program) begin() {
	// Nobody in the container to be is to look into this process, which has the rights of the host's root. CVE-2016-9962
	p.Stage("prctl(PR_SET_DUMPABLE, 0)", "PR_SET_DUMPABLE(2const)", 0)
	p.Do(unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	// What is for the command is for nobody before it.
	p.Stage("close_range(3, ~0, CLOSE_RANGE_CLOEXEC)", "close_range(2)", 0)
	p.Do(unix.SYS_CLOSE_RANGE, 3, 1<<32-1, unix.CLOSE_RANGE_CLOEXEC)
	p.dieWithHost()
	if !p.isHook {
		p.raiseFiles()
	}
	// What the process makes has the mode that the call says.
	p.Stage("umask(0)", "umask(2)", 0)
	p.Do(unix.SYS_UMASK, 0)
}

// dieWithHost ties the process to the thread that has started it. A change of user makes the kernel forget this. Until it has its orders,
// every process is tied: nobody else knows of it.
func (p *Program) dieWithHost() {
	p.Stage("prctl(PR_SET_PDEATHSIG, SIGKILL)", "PR_SET_PDEATHSIG(2const)", 0)
	p.Do(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, int(unix.SIGKILL), 0, 0, 0)
}

// outliveHost ends the tie of a process that outlives the host side.
func (p *Program) outliveHost() {
	if !p.Tied {
		p.Stage("prctl(PR_SET_PDEATHSIG, 0)", "PR_SET_PDEATHSIG(2const)", 0)
		p.Do(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, 0, 0, 0, 0)
	}
}

// raiseFiles raises the limit on open files for what comes before the command. The command gets the old limit back.
func (p *Program) raiseFiles() {
	p.saved = p.Buffer(16)
	most, half := p.Buffer(16), p.Slot()
	p.Stage("prlimit(RLIMIT_NOFILE, as many as allowed)", "prlimit(2)", 0)
	p.Do(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, 0, p.saved)
	for _, part := range []int{0, 4} {
		p.Load(half, p.saved, 8+part, 1<<32-1)
		p.Store(most, part, half)
		p.Store(most, 8+part, half)
	}
	p.Do(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, most, 0)
}

// numbers and words put numbers into the memory of the list.
func (p *Program) numbers(list []uint32) calls.Buffer {
	memory := make([]byte, 0, 4*len(list)+1)
	for _, number := range list {
		memory = binary.NativeEndian.AppendUint32(memory, number)
	}
	return p.Bytes(append(memory, 0))
}

func (p *Program) words(list []uint64) calls.Buffer {
	memory := make([]byte, 0, 8*len(list)+1)
	for _, number := range list {
		memory = binary.NativeEndian.AppendUint64(memory, number)
	}
	return p.Bytes(append(memory, 0))
}
