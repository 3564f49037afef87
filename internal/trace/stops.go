//go:build linux

package trace

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

const traceOptions = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_EXITKILL | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK |
	unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACEEXEC

// stopped handles a stop of a task, and lets the task go on. The low byte of the status is a signal, the next byte an event. A
// signal that does not stand for a stop of ptrace goes to the task: the Go runtime sends signals to itself.
func (t *tracer) stopped(tid, status int) {
	task, deliver := t.tasks[tid], 0
	switch event := status >> 8; {
	case status == int(unix.SIGTRAP)|0x80:
		t.call(tid, task)
	case event != 0:
		t.event(tid, task, event)
	case task.fresh:
		// The first process stops at its execve. Every other task stops when it starts.
		task.fresh = false
		if tid == t.first {
			t.try("PTRACE_SETOPTIONS", unix.PtraceSetOptions(tid, traceOptions))
		}
	default:
		deliver = status
	}
	// After an execve, the task has the ID of its process.
	if task = t.tasks[tid]; task.command {
		t.try("PTRACE_CONT", unix.PtraceCont(tid, deliver))
		return
	}
	t.try("PTRACE_SYSCALL", unix.PtraceSyscall(tid, deliver))
}

// try notes an error. It is no error if something has killed the task.
func (t *tracer) try(request string, err error) {
	if err != nil && err != unix.ESRCH {
		t.fail(fmt.Errorf("ptrace %s: %w", request, err))
		t.kill()
	}
}

// event handles a new task, or an execve.
func (t *tracer) event(tid int, now *task, event int) {
	message, err := unix.PtraceGetEventMsg(tid)
	t.try("PTRACE_GETEVENTMSG", err)
	if err != nil {
		// Something has killed the task, so nobody tells us the ID of the new one. strays finds the new task.
		return
	}
	other := int(message)
	switch event {
	case unix.PTRACE_EVENT_FORK, unix.PTRACE_EVENT_VFORK, unix.PTRACE_EVENT_CLONE:
		made := &task{process: now.process, pid: now.pid, fresh: true}
		if now.flags&unix.CLONE_THREAD == 0 {
			made.process, made.pid = t.process(now.process), other
			made.command = now.command
		}
		if now.call != nil {
			now.call.child = made.process
		}
		t.tasks[other] = made
		if t.killing {
			unix.Kill(made.pid, unix.SIGKILL)
		}
	case unix.PTRACE_EVENT_EXEC:
		// The kernel has ended all other threads of the process. The thread that made the call may have had another ID.
		if former := t.tasks[other]; former != nil {
			now = former
		}
		for id, task := range t.tasks {
			if task.process == now.process {
				delete(t.tasks, id)
			}
		}
		t.tasks[tid] = now
		now.call = nil
		exe, err := os.Stat(fmt.Sprintf("/proc/%d/exe", tid))
		now.command = err != nil || !os.SameFile(exe, t.program)
	}
}

// syscallInfo is struct ptrace_syscall_info. At an entry, data has the number of the call and its arguments. At an exit, data has
// the result, and in the next byte whether the result is an error. ptrace(2)
type syscallInfo struct {
	op   uint8
	_    [3]byte
	arch uint32
	_    [2]uint64
	data [8]uint64
}

// call handles the entry to a call and the exit from it.
func (t *tracer) call(tid int, task *task) {
	var info syscallInfo
	_, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(tid), unsafe.Sizeof(info),
		uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno != 0 {
		t.try("PTRACE_GET_SYSCALL_INFO (since Linux 5.3)", errno)
		return
	}
	switch info.op {
	case unix.PTRACE_SYSCALL_INFO_ENTRY:
		t.enter(thread(tid), task, info.data[0], [6]uint64(info.data[1:7]))
	case unix.PTRACE_SYSCALL_INFO_EXIT:
		if made := task.call; made != nil && byte(info.data[1]) != 0 {
			made.Err = unix.Errno(-int64(info.data[0]))
			// The kernel uses these numbers for a call that it makes again after a signal. They never reach a program.
			made.void = made.Err >= 512
		}
		task.call = nil
	}
}

func (t *tracer) enter(at thread, task *task, number uint64, args [6]uint64) {
	task.call, task.flags = nil, 0
	switch number {
	case unix.SYS_CLONE:
		task.flags = args[0]
	case unix.SYS_CLONE3:
		task.flags = at.number(args[0])
	}
	decode := decoders[number]
	if decode == nil {
		return
	}
	name, shown := decode(at, args)
	if name == "" {
		return
	}
	task.call = &record{process: task.process, Call: Call{Name: name, Args: shown}}
	task.active = task.active || name != "clone"
	t.records = append(t.records, task.call)
}

// calls returns the recorded calls without processes that did nothing: the Go runtime starts such a process to test a feature of
// the kernel.
func (t *tracer) calls() []Call {
	t.name()
	calls, last := []Call{}, map[*process]Call{}
	for _, r := range t.records {
		if r.void || r.Name == "clone" && r.child != nil && !r.child.active && r.Args[0] == "SIGCHLD" {
			continue
		}
		r.Process = r.process.name
		// A program may try a call a thousand times.
		if before, ok := last[r.process]; ok && r.Err != 0 && before.String() == r.Call.String() {
			continue
		}
		last[r.process] = r.Call
		calls = append(calls, r.Call)
	}
	return calls
}

// name names the processes that did something.
func (t *tracer) name() {
	number := map[string]int{}
	for _, p := range t.processes {
		if !p.active && p.parent != nil {
			continue
		}
		switch {
		case p.parent == nil:
			p.name = "run"
		case p.parent.parent == nil:
			p.name = "child"
		default:
			p.name = "grandchild"
		}
		if number[p.name]++; number[p.name] > 1 {
			p.name = fmt.Sprintf("%s %d", p.name, number[p.name])
		}
	}
}
