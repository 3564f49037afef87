//go:build linux

// Package reaper runs in the container, as process 1 of run --init, with the rights of the command and no more: process 1 has become this program
// by execve, as it becomes any command. It passes signals on to the command, and waits for all processes whose parents have ended, which
// nobody else does. It ends with the command. pid_namespaces(7), wait(2)
package reaper

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"

	"golang.org/x/sys/unix"
)

// Main starts a command as its child, and returns the exit status of the command.
func Main(args []string) int {
	signals := make(chan os.Signal, 64)
	signal.Notify(signals)
	cmd := exec.Command(args[0])
	cmd.Args = args[1:]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	// The command is a job of its own, in the foreground if there is a terminal.
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	if tty, err := unix.IoctlGetInt(0, unix.TIOCGPGRP); err == nil && tty == unix.Getpgrp() {
		cmd.SysProcAttr = &unix.SysProcAttr{Foreground: true, Ctty: 0}
	}
	if err := cmd.Start(); err != nil {
		fmt.Fprintf(os.Stderr, "exec: %q: %v\n", args[0], err)
		return 126
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
	return 125
}

// reap waits for all processes that have ended. If the command is one of them, reap returns its exit status.
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
			// There is no shell that would continue the command.
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
