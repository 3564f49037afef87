//go:build linux

// This file is the same in every step: it does what a shell does for any command. The container is in main.go. Read main.go first.

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

// The exit status is the command's own, 128+n if signal n ended the command, or one of these.
const (
	exitFailed        = 125
	exitNotExecutable = 126
	exitNotFound      = 127
	// gracePeriod is how long a command may take to end after SIGTERM.
	gracePeriod = 3 * time.Second
)

// containerID names the container. Run makes the ID, and child receives it in awaitRun.
var containerID = fmt.Sprintf("%d-%d", os.Getpid(), time.Now().UnixNano())

// The kernel kills child when the thread that started child ends. So the main goroutine keeps its thread. PR_SET_PDEATHSIG(2const)
func init() { runtime.LockOSThread() }

// dispatch parses the arguments, calls run or child, and exits with the status that fits the outcome.
func dispatch(run, child func() error) {
	verb, args := "", os.Args[1:]
	if len(args) > 0 && (args[0] == "run" || args[0] == "child") {
		verb, args = args[0], args[1:]
	}
	pflag.Usage = usage
	pflag.CommandLine.Init("run", pflag.ContinueOnError)
	// Flags end at COMMAND. What follows belongs to the command.
	pflag.CommandLine.SetInterspersed(false)
	err := pflag.CommandLine.Parse(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		err = nil
	case err != nil:
		err = fmt.Errorf("%w (see --help)", err)
	case verb == "" || pflag.NArg() == 0:
		err = fmt.Errorf("no command: want %s run [flags] COMMAND [ARG ...]", os.Args[0])
	case verb == "run":
		err = run()
	case verb == "child":
		err = child()
	}
	os.Exit(report(err))
}

func usage() {
	fmt.Printf("Usage: %s run [flags] COMMAND [ARG ...]\n\nRun COMMAND in a container.\n\n%s\n"+
		"The exit status is that of COMMAND, 128+n if signal n ended COMMAND, 125 if the\ncontainer failed, "+
		"126 if COMMAND cannot be executed, 127 if COMMAND was not found.\n", os.Args[0], pflag.CommandLine.FlagUsages())
}

// exit is an error with an exit status of its own. The error in it is nil if the command itself failed: we print nothing then.
type exit struct {
	error
	status int
}

// report prints the error, if it is ours, and returns the exit status.
func report(err error) int {
	if err == nil {
		return 0
	}
	e := exit{err, exitFailed}
	errors.As(err, &e)
	if e.error != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", filepath.Base(os.Args[0]), err)
	}
	return e.status
}

// supervise starts child, passes signals on to the command, and returns how the command ended.
func supervise(cmd *exec.Cmd) error {
	defer takeTerminalBack()
	signals := notify()
	isProcess1 := cmd.SysProcAttr.Cloneflags&unix.CLONE_NEWPID != 0
	if isProcess1 {
		// Process 1 does not stop when we stop, unless we stop it. signal(7)
		signal.Notify(signals, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU)
	}
	if err := start(cmd); err != nil {
		return err
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	var expired <-chan time.Time
	var killedFor unix.Signal
	for {
		select {
		case s := <-signals:
			sig := s.(unix.Signal)
			if deadly := passOn(sig, cmd.Process, isProcess1); deadly && killedFor == 0 {
				killedFor = sig
				cmd.Process.Kill()
			}
			if sig == unix.SIGTERM && expired == nil {
				expired = time.After(gracePeriod)
			}
		case <-expired:
			killedFor = unix.SIGTERM
			cmd.Process.Kill()
		case <-exited:
			return exitStatus(cmd.ProcessState, killedFor)
		}
	}
}

// start starts child, sends it the ID, and returns when child has become the command, or has ended.
func start(cmd *exec.Cmd) error {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	// Child waits for its ID at the other end of this socket. So if we are killed first, the command never starts. unix(7)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socketpair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "child"), os.NewFile(uintptr(pair[1]), "run")
	defer ours.Close()
	cmd.ExtraFiles = []*os.File{theirs}
	err = cmd.Start()
	theirs.Close()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w (/proc is not mounted: mount -t proc proc /proc)", err)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w (a container needs root with CAP_SYS_ADMIN: use sudo)", err)
	case err != nil:
		return err
	}
	ours.WriteString(containerID)
	// Child's end closes when child becomes the command, as execve closes it, or when child dies.
	ours.Read(make([]byte, 1))
	return nil
}

// awaitRun receives the ID from run. It is the first thing that child does.
func awaitRun() error {
	// Run passes signals on once child has become the command. Until then, child catches signals and drops them.
	notify()
	// A limit on processes counts threads, too. Child needs only one.
	runtime.GOMAXPROCS(1)
	id := make([]byte, 64)
	n, _, _ := unix.Recvfrom(3, id, 0)
	if n < 1 {
		return errors.New("run is not there: child is started by run, not by hand")
	}
	unix.CloseOnExec(3)
	containerID = string(id[:n])
	return nil
}

// become replaces this program with the command. It returns only if that fails. execve(2)
func become(args []string) error {
	path, err := exec.LookPath(args[0])
	if err == nil {
		err = fmt.Errorf("exec %s: %w", path, unix.Exec(path, args, os.Environ()))
	}
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return exit{err, exitNotFound}
	}
	return exit{err, exitNotExecutable}
}

// exitStatus returns the status of a command that has ended. If we killed the command because of a signal, that signal counts.
func exitStatus(state *os.ProcessState, killedFor unix.Signal) error {
	// Sys is the wait status. Its Signal is -1 if the command exited by itself. wait(2)
	sig := state.Sys().(interface{ Signal() unix.Signal }).Signal()
	switch {
	case sig == unix.SIGKILL && killedFor != 0:
		return exit{nil, 128 + int(killedFor)}
	case sig > 0:
		return exit{nil, 128 + int(sig)}
	}
	return exit{nil, state.ExitCode()}
}

// notify returns a channel of the signals that are meant for the command. A signal that was ignored, as by nohup, stays ignored.
func notify() chan os.Signal {
	signals := make(chan os.Signal, 16)
	for _, sig := range []os.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2} {
		if !signal.Ignored(sig) {
			signal.Notify(signals, sig)
		}
	}
	return signals
}

// passOn sends a signal to the command. It reports whether the signal should kill process 1, which the kernel does not do:
// the kernel drops a signal to process 1 that process 1 does not handle. pid_namespaces(7)
func passOn(sig unix.Signal, command *os.Process, isProcess1 bool) (deadly bool) {
	unhandled := isProcess1 && !handles(command.Pid, sig)
	// The terminal sends Ctrl-C to every process in the foreground, so the command has it already. termios(3)
	if typed := (sig == unix.SIGINT || sig == unix.SIGQUIT || sig == unix.SIGTSTP) && inForeground(); !typed {
		command.Signal(sig)
	}
	stops := sig == unix.SIGTSTP || sig == unix.SIGTTIN || sig == unix.SIGTTOU
	// We stop with the command, as one job of the shell. Nobody would continue the leader of a session. setsid(2)
	session, _ := unix.Getsid(0)
	if unhandled && stops && session != unix.Getpgrp() && (sig == unix.SIGTSTP || !inForeground()) {
		command.Signal(unix.SIGSTOP)
		unix.Tgkill(unix.Getpid(), unix.Gettid(), unix.SIGSTOP)
		command.Signal(unix.SIGCONT)
	}
	return unhandled && !stops
}

// handles reports whether a process blocks, ignores or catches a signal. proc_pid_status(5)
func handles(pid int, sig unix.Signal) bool {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, masks, _ := strings.Cut(string(status), "SigBlk:\t")
	var blocked, ignored, caught uint64
	fmt.Sscanf(masks, "%x\nSigIgn:\t%x\nSigCgt:\t%x", &blocked, &ignored, &caught)
	return (blocked|ignored|caught)>>(sig-1)&1 == 1
}

// inForeground reports whether we are in the process group that receives what you type at the terminal. tcgetpgrp(3)
func inForeground() bool {
	tty, _ := os.Open("/dev/tty")
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// takeTerminalBack puts us in the foreground again after a command, such as a shell, that has put itself there. tcsetpgrp(3)
func takeTerminalBack() {
	tty, _ := os.Open("/dev/tty")
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	if err == nil && unix.Kill(-group, 0) == unix.ESRCH {
		// This call from the background sends SIGTTOU, which would stop us.
		signal.Ignore(unix.SIGTTOU)
		unix.IoctlSetPointerInt(int(tty.Fd()), unix.TIOCSPGRP, unix.Getpgrp())
	}
}
