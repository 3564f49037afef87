//go:build linux

package inside

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"

	"golang.org/x/sys/unix"
)

// Init runs in the container as process 1, with the rights of the command and no more: the container side has become it by
// execve, as it becomes any command. It starts the command as its child, passes signals on to it, and waits for all processes
// whose parents have ended, which nobody else does. It ends with the exit status of the command. pid_namespaces(7), wait(2)
func Init(args []string) int {
	signals := make(chan os.Signal, 64)
	signal.Notify(signals)
	cmd := exec.Command(args[0])
	cmd.Args = args[1:]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	// A job of its own, in the foreground if there is a terminal.
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	if tty, err := unix.IoctlGetInt(0, unix.TIOCGPGRP); err == nil && tty == unix.Getpgrp() {
		cmd.SysProcAttr = &unix.SysProcAttr{Foreground: true, Ctty: 0}
	}
	if err := cmd.Start(); err != nil {
		fmt.Fprintf(os.Stderr, "exec: %q: %v\n", args[0], err)
		return StatusNotExecutable
	}
	for sig := range signals {
		switch sig {
		case unix.SIGCHLD:
			if status, ended := reap(cmd.Process.Pid); ended {
				return status
			}
		// The scheduler of Go sends this to itself.
		case unix.SIGURG:
		default:
			_ = cmd.Process.Signal(sig)
		}
	}
	return StatusFailed
}

// reap waits for all processes that have ended. It returns the exit status of one, if it is among them.
func reap(child int) (status int, ended bool) {
	for {
		var wait unix.WaitStatus
		pid, err := unix.Wait4(-1, &wait, unix.WNOHANG|unix.WUNTRACED, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return status, ended
		}
		if wait.Stopped() && pid == child {
			// We have no shell behind us that would continue it.
			_ = unix.Kill(-child, unix.SIGCONT)
		}
		if pid != child || !wait.Exited() && !wait.Signaled() {
			continue
		}
		ended, status = true, wait.ExitStatus()
		if wait.Signaled() {
			status = 128 + int(wait.Signal())
		}
	}
}
