//go:build linux

package process

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"container-workshop/final/terminal"
)

// gracePeriod is how long a command may take to end after SIGTERM.
const gracePeriod = 3 * time.Second

// A keeper stays with a process as long as it runs.
type keeper struct {
	*Process
	console *terminal.Connection
	// reason is the signal for which we have killed the command.
	reason  unix.Signal
	expired <-chan time.Time
	// job says that we are a job of a shell. continued says that the shell has continued us, and its SIGCONT has not arrived yet.
	job, continued bool
}

// Wait passes signals on to the command, and what is typed at the terminal, until it ends. It returns the exit status, which
// is 128+n if signal n has ended it.
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
			// A job of a shell in the container is none of ours.
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

// pass passes a signal on to the command. Its session is not ours, so the terminal sends it nothing that is meant for us.
func (k *keeper) pass(sig unix.Signal) {
	switch {
	case sig == unix.SIGWINCH && k.console.Resize():
	case sig == unix.SIGCONT && k.continued:
		k.continued = false
	case k.job && (sig == unix.SIGTSTP || sig == unix.SIGTTIN || sig == unix.SIGTTOU):
		k.stop()
	case (sig == unix.SIGINT || sig == unix.SIGQUIT) && terminal.InForeground():
		// What is typed is for all processes of the job. termios(3)
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

// emulate does to process 1 what the kernel does to all others for a signal that it does not handle. pid_namespaces(7)
func (k *keeper) emulate(sig unix.Signal) {
	if !handles(k.PID, sig) {
		k.byDefault(sig)
	}
}

// byDefault does what the kernel does for a signal that nobody handles. SIGCONT has continued the process before it comes to that.
// signal(7)
func (k *keeper) byDefault(sig unix.Signal) {
	switch sig {
	case unix.SIGCHLD, unix.SIGCONT, unix.SIGURG, unix.SIGWINCH:
	case unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU:
		k.stop()
	default:
		k.kill(sig)
	}
}

func (k *keeper) kill(reason unix.Signal) {
	if k.reason == 0 {
		k.reason = reason
	}
	k.sigkill()
}

// stop stops the container and us, until somebody continues us.
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

// status takes our own SIGKILL for the signal that was the reason for it.
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

// WaitDetached waits until the command ends, and leaves everything to others until then. It returns the exit status.
func (p *Process) WaitDetached() int {
	p.wait()
	k := &keeper{Process: p}
	return k.status()
}
