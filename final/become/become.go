//go:build linux

// Package become runs on the host side. It turns a configuration into a list of system calls (package calls): everything that a new process
// does until it becomes the command. The process makes these calls itself. It is process 1 of a container, or a process that joins one.
//
// Who starts the process: package process, by clone and execve of the list. No Go runs in it.
// Where the process is: in the namespaces of the container, with the rights of the host's root, or of user 0 of a user namespace.
// What it sees: the host's tree, until it changes its root directory; then the container's.
// What it does: only what no other process can do for it. Mounts and devices are the work of a thread of the host side: see package inside.
// How it ends: the last call is execve of the command. If a call fails, the process reports the failure to the host side, and exits.
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
	// Affinity are the processors of a process that joins a container. Nil for process 1, and if the configuration does not say.
	Affinity *specs.CPUAffinity
	// Capabilities are the capabilities that the command gets.
	Capabilities capability.Sets
	// Filter is the compiled seccomp profile, empty for none. FilterFlags are its flags for seccomp(2).
	Filter      []unix.SockFilter
	FilterFlags uint
	// Namespaces are the new and the existing namespaces.
	Namespaces *namespace.Set
	// Extra is the number of descriptors that the command gets beside its standard streams: 3, 4, …
	Extra int
	// Null says which standard streams the process replaces with the container's /dev/null.
	Null [3]bool
	// Give says which standard streams are pipes without a name. They get the user of the command as owner, who may then open /dev/stdout.
	Give [3]bool
	// Tasks is the number of files by which the process joins cgroups of version 1.
	Tasks int
	// MountLabel is the label of new file systems.
	MountLabel string
	// Unified says that the container sees a cgroup of version 2.
	Unified bool
	// Tied says that the kernel kills the process when the thread ends that has started it.
	Tied bool
	// Pauses says that the process waits for another word after its orders.
	Pauses bool
	// Held says that the process waits for start.
	Held bool
	// Init is the program for --init. The process becomes this program, which then starts the command: see package reaper. Nil without
	// --init.
	Init *os.File
	// NoPivot says that the host side has already moved the container's root over the host's. OldKeyring keeps the session keyring of the
	// caller.
	NoPivot, OldKeyring bool
	// Explain asks for the times of the calls.
	Explain bool
}

// Words are what the process tells the host side. Each message begins with a word, in four bytes. Word 0 reports a failure: see
// calls.List.Failure.
const (
	// WordFilesystems comes with the descriptors of new file systems.
	WordFilesystems = iota + 1
	// WordReady says that the process has followed its orders up to the cgroups. It waits for a byte.
	WordReady
	// WordHooks asks the host side to run the startContainer hooks. The process waits for a byte.
	WordHooks
	// WordListener comes with a number: the descriptor that is about to become the listener of the process's filter. The process then loads
	// the filter and waits for a byte.
	WordListener
	// WordPID comes with the PID of the second process, which the first one has started in its place: see enter.
	WordPID
	// WordTimes comes with the times of the stages so far, for --explain.
	WordTimes
	// WordLast says that nothing can be said any more: the process is about to become the command.
	WordLast
)

// A Program is the list of one process.
type Program struct {
	*calls.List
	// Files are further files for the process. Their numbers follow those of the streams, the extra descriptors and the socket.
	Files []*os.File
	// Missing are capabilities that the process cannot give to the command.
	Missing capability.Set
	// Lowered names the resource limits that stay lower than the configuration asks for, because only root of the host can raise them.
	Lowered []string

	*Request
	// joins says that the process joins a container, and isHook that its command is a hook.
	joins, isHook bool
	// heldAt is the number of the first call after the wait for start.
	heldAt int
	// socket is the number of the socket to the host side.
	socket int
	orders orders
	// proc is a proc file system of the container that is attached nowhere. 0 if the process needs none.
	proc calls.Slot
	// new says where the file system of a mount is among the descriptors of WordFilesystems, by the index of the mount. count is the number
	// of these descriptors.
	new   map[int]int
	count int
	// saved has the limit on open files that the process had at first.
	saved calls.Buffer
	// byte is memory for a byte from the host side.
	byte calls.Buffer
	// command is the path of the command, once the host side has found the command. execve is the last stage.
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

// add gives the process one more file, and returns the number of the file there.
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

// say adds a message with a word and the value of a slot.
func (p *Program) say(word uint32, number calls.Slot) {
	message := p.Struct(&[2]uint32{word})
	p.Store(message, 4, number)
	p.Do(unix.SYS_WRITE, calls.SocketSlot, message, 8)
}

// tell adds a message that is only a word.
func (p *Program) tell(word uint32) {
	p.Do(unix.SYS_WRITE, calls.SocketSlot, p.Struct(&word), 4)
}

// begin adds what every process does first.
func (p *Program) begin() {
	// This process has the rights of the host's root: nobody in the container may look into it. CVE-2016-9962
	p.Stage("prctl(PR_SET_DUMPABLE, 0)", "PR_SET_DUMPABLE(2const)", 0)
	p.Do(unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	// Only the command gets the extra descriptors: closeAll clears this flag for them.
	p.Stage("close_range(3, ~0, CLOSE_RANGE_CLOEXEC)", "close_range(2)", 0)
	p.Do(unix.SYS_CLOSE_RANGE, 3, 1<<32-1, unix.CLOSE_RANGE_CLOEXEC)
	p.dieWithHost()
	if !p.isHook {
		p.raiseFiles()
	}
	// Files get exactly the mode that a call asks for.
	p.Stage("umask(0)", "umask(2)", 0)
	p.Do(unix.SYS_UMASK, 0)
}

// dieWithHost makes the kernel kill the process when the thread ends that has started it. A change of user clears this setting. Until a
// process has its orders, it always has the setting, because only that thread knows of the process.
func (p *Program) dieWithHost() {
	p.Stage("prctl(PR_SET_PDEATHSIG, SIGKILL)", "PR_SET_PDEATHSIG(2const)", 0)
	p.Do(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, int(unix.SIGKILL), 0, 0, 0)
}

// outliveHost clears the parent-death signal of a process that outlives the host side.
func (p *Program) outliveHost() {
	if !p.Tied {
		p.Stage("prctl(PR_SET_PDEATHSIG, 0)", "PR_SET_PDEATHSIG(2const)", 0)
		p.Do(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, 0, 0, 0, 0)
	}
}

// raiseFiles raises the limit on open files: there may be more mounts than the limit of the command allows. limits restores the limit.
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
