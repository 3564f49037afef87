//go:build linux

package trace

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Run starts a program under ptrace(2) and returns the calls of the program and of the processes that it starts, in order. When a
// process executes another program, which is the command of the container, Run stops recording its calls.
//
// Run kills a program that takes longer than the limit, and returns an error and the calls until then. After Run,
// cmd.ProcessState has the exit status, and the output of the program is where cmd.Stdout and cmd.Stderr send it. Run leaves no
// process behind.
//
// The calling thread starts the program. So the program runs in the namespaces of this thread.
func Run(cmd *exec.Cmd, limit time.Duration) ([]Call, error) {
	// The tracer is a thread, and the kernel accepts requests from no other thread. ptrace(2)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	program, err := os.Stat(cmd.Path)
	if err != nil {
		return nil, err
	}
	changes := make(chan os.Signal, 1)
	signal.Notify(changes, unix.SIGCHLD)
	defer signal.Stop(changes)

	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &unix.SysProcAttr{}
	}
	cmd.SysProcAttr.Ptrace = true
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	t := &tracer{program: program, cmd: cmd, first: cmd.Process.Pid, tasks: map[int]*task{}}
	t.tasks[t.first] = &task{process: t.process(nil), pid: t.first, fresh: true}
	expired := time.After(limit)
	// A thread that calls execve becomes the first thread of its process, and its old ID disappears without a signal. execve(2)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		t.collect()
		if len(t.tasks) == 0 {
			break
		}
		select {
		case <-changes:
		case <-tick.C:
			t.strays()
		case <-t.ended:
			t.ended = nil
			delete(t.tasks, t.first)
			t.kill()
		case <-expired:
			t.fail(fmt.Errorf("%s has not ended after %v", cmd.Path, limit))
			t.kill()
		}
	}
	return t.calls(), t.err
}

// A tracer follows a program.
type tracer struct {
	// program is the executable of the first process.
	program os.FileInfo
	cmd     *exec.Cmd
	// first is the ID of the first process. Ended is made when this process exits, and closed when cmd.Wait returns.
	first     int
	ended     chan struct{}
	tasks     map[int]*task
	processes []*process
	records   []*record
	killing   bool
	err       error
}

// A task is a thread of a process. The kernel traces threads.
type task struct {
	*process
	// pid is the ID of the process.
	pid int
	// fresh is true until the first stop, which each new task makes.
	fresh bool
	// flags are those of the clone that the task is making.
	flags uint64
	// call is the recorded call that the task is in.
	call *record
}

// A process is the first process of the program, or a process that the program starts.
type process struct {
	parent *process
	name   string
	// active is true if the process has made a recorded call other than clone.
	active bool
	// command is true if the process executes another program.
	command bool
}

// A record is a call, and for a clone the new process.
type record struct {
	*process
	Call
	child *process
	// void is true if the kernel will make the call again.
	void bool
}

func (t *tracer) process(parent *process) *process {
	p := &process{parent: parent}
	t.processes = append(t.processes, p)
	return p
}

func (t *tracer) fail(err error) {
	if t.err == nil {
		t.err = err
	}
}

// kill ends all processes that are still traced.
func (t *tracer) kill() {
	t.killing = true
	for _, task := range t.tasks {
		unix.Kill(task.pid, unix.SIGKILL)
	}
}

// collect handles the stops and exits of all tasks, until no more has happened. It waits for each task by its ID, so that it takes
// no other child away from this program.
func (t *tracer) collect() {
	for again := true; again; {
		again = false
		for tid := range t.tasks {
			if tid == t.first && t.ended != nil {
				continue
			}
			status, exited, err := t.wait(tid)
			switch {
			case exited && tid == t.first:
				ended := make(chan struct{})
				t.ended = ended
				go func() {
					t.cmd.Wait()
					close(ended)
				}()
			case exited || err == unix.ECHILD:
				delete(t.tasks, tid)
			case status != 0:
				again = true
				t.stopped(tid, status)
			}
		}
	}
}

// strays waits for tasks that the tracer does not know. If a process ends while one of its threads starts a task, the kernel sends
// no event about the new task. But the process stays a zombie until we have waited for the new task, too.
func (t *tracer) strays() {
	tracer := fmt.Sprintf("\nTracerPid:\t%d\n", unix.Gettid())
	statuses, _ := filepath.Glob("/proc/[0-9]*/task/[0-9]*/status")
	for _, path := range statuses {
		tid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		text, _ := os.ReadFile(path)
		if t.tasks[tid] != nil || tid == t.first || !strings.Contains(string(text), tracer) {
			continue
		}
		if t.killing || t.ended != nil {
			unix.Kill(tid, unix.SIGKILL)
		}
		var info, taken siginfo
		const exits = unix.WNOHANG | unix.WALL | unix.WEXITED
		// This waitid also reports a stop, and would take the stop away from collect, which may learn of a new task any moment. ptrace(2)
		if waitid(tid, &info, exits|unix.WNOWAIT) == nil && info.pid != 0 && !info.stop() {
			waitid(tid, &taken, exits)
		}
	}
}

// siginfo is siginfo_t for a child. sigaction(2)
type siginfo struct {
	signo, errno, code, _ int32
	pid                   int32
	uid                   uint32
	status                int32
	_                     [100]byte
}

// stop reports whether a task has stopped, and not exited.
func (i *siginfo) stop() bool {
	const cldTrapped, cldStopped = 4, 5
	return i.code == cldTrapped || i.code == cldStopped
}

// wait returns the status of a stopped task, or that the task has exited, without waiting. It leaves the exit of the first process
// to cmd.Wait.
func (t *tracer) wait(tid int) (status int, exited bool, err error) {
	const options = unix.WNOHANG | unix.WALL
	var info, taken siginfo
	err = waitid(tid, &info, options|unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT)
	switch {
	case err != nil || info.pid == 0:
		return 0, false, err
	case info.stop():
		return int(info.status), false, waitid(tid, &taken, options|unix.WSTOPPED)
	case tid == t.first:
		return 0, true, nil
	}
	return 0, true, waitid(tid, &taken, options|unix.WEXITED)
}

func waitid(tid int, info *siginfo, options int) error {
	return unix.Waitid(unix.P_PID, tid, (*unix.Siginfo)(unsafe.Pointer(info)), options, nil)
}
