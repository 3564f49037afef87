//go:build linux

package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"container-workshop/final/terminal"
)

// gracePeriod is how long a command may take to end after SIGTERM.
const gracePeriod = 3 * time.Second

// A keeper stays with a process until the process ends.
type keeper struct {
	*Process
	console *terminal.Connection
	// reason is the signal that made this process kill the command. 0 if there is none.
	reason  unix.Signal
	expired <-chan time.Time
	// job is true if this process is a job of a shell. continued is true from the moment the shell has continued this process until its
	// SIGCONT arrives.
	job, continued bool
}

// Wait passes signals and keys on to the command until the command ends. It returns the exit status, which is 128+n if signal n has ended
// the command.
func (p *Process) Wait(signals *terminal.Signals, console *terminal.Console) int {
	k := &keeper{Process: p, job: signals.Job}
	if p.Terminal != nil {
		k.console = terminal.Connect(p.Terminal, console)
		k.console.Start()
		defer k.console.Stop()
	}
	ended := make(chan struct{})
	go func() {
		p.wait()
		close(ended)
	}()
	for {
		select {
		case sig := <-signals.Passed:
			k.pass(sig)
		case key := <-k.console.Keys():
			// The kernel sends the signal to any other process group. See write in package terminal.
			if k.console.Foreground() == k.PID {
				k.emulate(key)
			}
		case <-k.console.Wanted():
			if !k.console.InForeground() {
				k.stop()
			}
		case <-k.expired:
			k.kill(unix.SIGTERM)
		case <-ended:
			return k.status()
		}
	}
}

// pass passes a signal on to the command. The command has a session of its own, so the caller's terminal sends it no signals.
func (k *keeper) pass(sig unix.Signal) {
	switch {
	case sig == unix.SIGWINCH && k.console.Resize():
	case sig == unix.SIGCONT && k.continued:
		k.continued = false
	case k.job && (sig == unix.SIGTSTP || sig == unix.SIGTTIN || sig == unix.SIGTTOU):
		k.stop()
	case (sig == unix.SIGINT || sig == unix.SIGQUIT) && terminal.InForeground():
		// Ctrl-C is for all processes of the job in the foreground. termios(3)
		k.emulate(sig)
		_ = unix.Kill(-k.PID, sig)
	default:
		unhandled := !handles(k.PID, sig)
		k.signal(sig)
		if unhandled {
			k.byDefault(sig)
		}
	}
	if sig == unix.SIGTERM && k.expired == nil {
		k.expired = time.After(gracePeriod)
	}
}

// emulate takes the default action of a signal that process 1 does not handle. The kernel does so for every process but process 1.
// pid_namespaces(7)
func (k *keeper) emulate(sig unix.Signal) {
	if !handles(k.PID, sig) {
		k.byDefault(sig)
	}
}

// byDefault takes the default action of a signal. The kernel itself continues a process at SIGCONT. signal(7)
func (k *keeper) byDefault(sig unix.Signal) {
	switch sig {
	case unix.SIGCHLD, unix.SIGCONT, unix.SIGURG, unix.SIGWINCH:
	case unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU:
		k.stop()
	default:
		k.kill(sig)
	}
}

// kill kills the command, and remembers the first reason.
func (k *keeper) kill(reason unix.Signal) {
	if k.reason == 0 {
		k.reason = reason
	}
	k.sigkill()
}

// stop stops the command and this process. When the shell continues this process, stop continues the command.
func (k *keeper) stop() {
	if !terminal.IsJob() {
		return
	}
	k.signal(unix.SIGSTOP)
	_ = unix.Kill(-k.PID, unix.SIGTSTP)
	k.console.Drain()
	k.console.Release()
	terminal.StopUs()
	k.continued = true
	k.console.Take()
	_ = unix.Kill(-k.PID, unix.SIGCONT)
}

// status returns the exit status of the command. If this process has killed the command, the status names the signal that was the reason.
func (k *keeper) status() int {
	switch {
	case k.ended.Signaled() && k.ended.Signal() == unix.SIGKILL && k.reason != 0:
		return 128 + int(k.reason)
	case k.ended.Signaled():
		return 128 + int(k.ended.Signal())
	}
	return k.ended.ExitStatus()
}

// handles reports whether a process catches, ignores or blocks a signal. proc_pid_status(5)
func handles(pid int, sig unix.Signal) bool {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, masks, _ := strings.Cut(string(status), "SigBlk:\t")
	var blocked, ignored, caught uint64
	_, _ = fmt.Sscanf(masks, "%x\nSigIgn:\t%x\nSigCgt:\t%x", &blocked, &ignored, &caught)
	return (blocked|ignored|caught)>>(sig-1)&1 == 1
}

// WaitDetached waits until the command ends, and returns the exit status. It passes on neither signals nor keys.
func (p *Process) WaitDetached() int {
	p.wait()
	k := &keeper{Process: p}
	return k.status()
}

// WaitHook waits until a hook ends. It is an error if the hook fails.
func (p *Process) WaitHook() error {
	p.wait()
	switch {
	case p.ended.Signaled():
		return fmt.Errorf("signal: %s", p.ended.Signal())
	case p.ended.ExitStatus() != 0:
		return fmt.Errorf("exit status %d", p.ended.ExitStatus())
	}
	return nil
}

// KillHook ends a hook.
func (p *Process) KillHook() { p.sigkill() }

// wait waits for the end of the process. It polls the descriptor, which is readable only after the end. wait(2) would also return at each stop
// of a process that has asked us to trace it.
func (p *Process) wait() {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(p.Pidfd), Events: unix.POLLIN}}, -1)
		if n > 0 || err != nil && err != unix.EINTR {
			break
		}
	}
	status := statusOf(p.PID)
	p.ended = &status
}

// statusOf returns how a child of ours has ended. If another process traces the child, only the tracer can wait for the child. A tracer in a
// container could keep us waiting for ever, so the status comes from /proc then. ptrace(2), proc_pid_stat(5)
func statusOf(pid int) (status unix.WaitStatus) {
	if ended, _ := unix.Wait4(pid, &status, unix.WNOHANG, nil); ended == 0 {
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		last := stat[bytes.LastIndexByte(stat, ' ')+1:]
		code, _ := strconv.Atoi(string(bytes.TrimSpace(last)))
		status = unix.WaitStatus(code)
	}
	return status
}

func reap(pid int) (status unix.WaitStatus) {
	for {
		if _, err := unix.Wait4(pid, &status, 0, nil); err != unix.EINTR {
			return status
		}
	}
}
