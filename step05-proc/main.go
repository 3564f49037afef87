//go:build linux

// A container runtime as small as it can be. What it gives a command:
//
//   - its own process, with the streams, signals and exit status of a command run without it
//   - its own hostname
//   - its own process IDs: it is number 1, and all its processes end with it, as it ends with run
//   - its own root directory
//   - its own /proc, and mounts that stay its own
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

// Child ends with the thread of run that starts it, and is told so on its first thread: so neither of the two changes
// threads. PR_SET_PDEATHSIG(2const)
func init() { runtime.LockOSThread() }

// The exit status is the command's own, 128+n if signal n ended it, or one of these.
const (
	exitFailed        = 125
	exitNotExecutable = 126
	exitNotFound      = 127
)

// gracePeriod is how long a command may take to end after SIGTERM.
const gracePeriod = 3 * time.Second

var (
	// The kernel takes up to 64 bytes. sethostname(2)
	hostname = pflag.String("hostname", "container", "hostname of the container")
	// A root file system holds all that the command needs: programs, libraries, /etc. hier(7)
	rootfs = pflag.String("rootfs", "/var/lib/container-workshop/rootfs", "root directory of the container")
)

func main() {
	verb, args := "", os.Args[1:]
	if len(args) > 0 && (args[0] == "run" || args[0] == "child") {
		verb, args = args[0], args[1:]
	}
	pflag.Usage = usage
	pflag.CommandLine.Init("run", pflag.ContinueOnError)
	pflag.CommandLine.SetInterspersed(false)

	status, err := exitFailed, pflag.CommandLine.Parse(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		status, err = 0, nil
	case err != nil:
		err = fmt.Errorf("%w (see --help)", err)
	case verb == "" || pflag.NArg() == 0:
		err = fmt.Errorf("no command: want %s run [flags] COMMAND [ARG ...]", os.Args[0])
	case verb == "run":
		status, err = run()
	case verb == "child":
		status, err = child()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", filepath.Base(os.Args[0]), err)
	}
	os.Exit(status)
}

func usage() {
	fmt.Printf("Usage: %s run [flags] COMMAND [ARG ...]\n\n", os.Args[0])
	fmt.Print("Runs COMMAND in a container.\n\n")
	if flags := pflag.CommandLine.FlagUsages(); flags != "" {
		fmt.Printf("Flags:\n%s\n", flags)
	}
	fmt.Print("The exit status is that of COMMAND, 128+n if signal n ended it, 125 if the\n" +
		"container failed, 126 if COMMAND cannot be executed, 127 if it is not found.\n")
}

// run starts this program again as child, and waits for it.
func run() (int, error) {
	if err := checkRootfs(); err != nil {
		return exitFailed, err
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = append([]string{os.Args[0], "child"}, os.Args[2:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr

	// Child has the other end as its descriptor 3, until it is the command. It waits there for our word to go on, which is
	// the ID of the container, so that the command never starts if we are killed before. unix(7)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return exitFailed, fmt.Errorf("socketpair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "child"), os.NewFile(uintptr(pair[1]), "run")
	defer ours.Close()
	cmd.ExtraFiles = []*os.File{theirs}

	defer takeTerminalBack()
	signals := notify()
	cmd.SysProcAttr = &unix.SysProcAttr{}

	// Its own hostname, which child sets, as that must be done inside. uts_namespaces(7)
	cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUTS

	// Its own process IDs. When number 1 ends, the kernel ends all the others. pid_namespaces(7)
	cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWPID
	// Number 1 ends with us. PR_SET_PDEATHSIG(2const)
	cmd.SysProcAttr.Pdeathsig = unix.SIGKILL
	// It does not stop with us, unless we see to that. signal(7)
	signal.Notify(signals, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU)

	// Its own mounts. mount_namespaces(7)
	cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWNS

	err = cmd.Start()
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w (/proc is not mounted: mount -t proc proc /proc)", err)
	}
	if errors.Is(err, unix.EPERM) {
		err = fmt.Errorf("%w (a container needs root with CAP_SYS_ADMIN: use sudo)", err)
	}
	if err != nil {
		return exitFailed, err
	}
	theirs.Close()
	id := fmt.Sprintf("%d-%d", os.Getpid(), time.Now().UnixNano())
	ours.WriteString(id)
	// This ends when child's end is closed: by execve, as child becomes the command, or by its death.
	ours.Read(make([]byte, 1))

	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var expired <-chan time.Time
	var killedFor unix.Signal
	for {
		select {
		case sig := <-signals:
			unhandled := !handles(cmd.Process.Pid, sig.(unix.Signal))
			// What was typed has reached the command already: the terminal sends it to the whole process group. termios(3)
			typed := (sig == unix.SIGINT || sig == unix.SIGQUIT || sig == unix.SIGTSTP) && inForeground()
			if !typed {
				cmd.Process.Signal(sig)
			}
			// The kernel drops what number 1 does not handle, so we do to it what the kernel does to others. pid_namespaces(7)
			stops := sig == unix.SIGTSTP || sig == unix.SIGTTIN || sig == unix.SIGTTOU
			if unhandled && !stops && killedFor == 0 {
				killedFor = sig.(unix.Signal)
				cmd.Process.Kill()
			}
			// It stops and continues with us, unless we are in the first process group of a session, which nobody continues. setsid(2)
			if session, _ := unix.Getsid(0); unhandled && stops && session != unix.Getpgrp() && (sig == unix.SIGTSTP || !inForeground()) {
				cmd.Process.Signal(unix.SIGSTOP)
				unix.Tgkill(unix.Getpid(), unix.Gettid(), unix.SIGSTOP)
				cmd.Process.Signal(unix.SIGCONT)
			}
			if sig == unix.SIGTERM && expired == nil {
				expired = time.After(gracePeriod)
			}
		case <-expired:
			killedFor = unix.SIGTERM
			cmd.Process.Kill()
		case <-ended:
			return exitStatus(cmd.ProcessState, killedFor), nil
		}
	}
}

// notify returns the signals that are meant for the command. Those that it is to ignore, as under nohup, stay ignored.
func notify() chan os.Signal {
	signals := make(chan os.Signal, 16)
	for _, sig := range []os.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2} {
		if !signal.Ignored(sig) {
			signal.Notify(signals, sig)
		}
	}
	return signals
}

// child is the first process in the container. It becomes the command.
func child() (int, error) {
	// Catch signals and drop them until we are the command. Run keeps its own meanwhile, and passes them on afterwards.
	notify()
	// One thread is enough here, and there may be a limit on more.
	runtime.GOMAXPROCS(1)

	id := make([]byte, 64)
	n, _, _ := unix.Recvfrom(3, id, 0)
	if n < 1 {
		return exitFailed, errors.New("child has to be started by run, and run to be alive")
	}
	unix.CloseOnExec(3)

	if err := setHostname(); err != nil {
		return exitFailed, err
	}
	if err := makeMountsPrivate(); err != nil {
		return exitFailed, err
	}
	if err := changeRoot(); err != nil {
		return exitFailed, err
	}
	if err := mountProc(); err != nil {
		return exitFailed, err
	}
	path, err := exec.LookPath(pflag.Arg(0))
	if err != nil {
		return exitNoCommand(err), err
	}

	err = unix.Exec(path, pflag.Args(), os.Environ())
	return exitNoCommand(err), fmt.Errorf("exec %s: %w", path, err)
}

func exitNoCommand(err error) int {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return exitNotFound
	}
	return exitNotExecutable
}

// exitStatus takes our own SIGKILL for the signal that was the reason for it.
func exitStatus(state *os.ProcessState, killedFor unix.Signal) int {
	// Sys holds what wait(2) has returned. Its Signal is -1 for a command that has exited.
	sig := state.Sys().(interface{ Signal() unix.Signal }).Signal()
	switch {
	case sig == unix.SIGKILL && killedFor != 0:
		return 128 + int(killedFor)
	case sig > 0:
		return 128 + int(sig)
	}
	return state.ExitCode()
}

// inForeground reports whether we are in the process group that gets what is typed at the terminal. tcgetpgrp(3)
func inForeground() bool {
	tty, _ := os.Open("/dev/tty")
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// takeTerminalBack puts us in the foreground if the group that is there has ended, as that of a shell has. tcsetpgrp(3)
func takeTerminalBack() {
	tty, _ := os.Open("/dev/tty")
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	if err == nil && unix.Kill(-group, 0) == unix.ESRCH {
		// The kernel sends this to a background process that does so, and it would stop us.
		signal.Ignore(unix.SIGTTOU)
		unix.IoctlSetPointerInt(int(tty.Fd()), unix.TIOCSPGRP, unix.Getpgrp())
	}
}

func setHostname() error {
	if err := unix.Sethostname([]byte(*hostname)); err != nil {
		return fmt.Errorf("set hostname %q (at most 64 bytes): %w", *hostname, err)
	}
	return nil
}

// handles reports whether a process catches, ignores or blocks a signal. proc_pid_status(5)
func handles(pid int, sig unix.Signal) bool {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, masks, _ := strings.Cut(string(status), "SigBlk:\t")
	var blocked, ignored, caught uint64
	fmt.Sscanf(masks, "%x\nSigIgn:\t%x\nSigCgt:\t%x", &blocked, &ignored, &caught)
	return (blocked|ignored|caught)>>(sig-1)&1 == 1
}

// checkRootfs tells a missing root file system from a missing command.
func checkRootfs() error {
	entries, err := os.ReadDir(*rootfs)
	if err == nil && len(entries) == 0 {
		err = fmt.Errorf("%s is empty", *rootfs)
	}
	if err != nil {
		return fmt.Errorf("no root file system: %w (make one: make rootfs)", err)
	}
	return nil
}

// changeRoot makes the root file system the root directory, from which commands are looked up from now on. chroot(2)
func changeRoot() error {
	if err := unix.Chroot(*rootfs); err != nil {
		return fmt.Errorf("chroot %s: %w", *rootfs, err)
	}
	// The directory that we are in is still the host's.
	if err := os.Chdir("/"); err != nil {
		return err
	}
	// PATH is still the host's, too.
	return os.Setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
}

// makeMountsPrivate comes before the first mount: a new mount namespace still shares its mounts with the host's, where
// systemd makes / shared. mount_namespaces(7)
func makeMountsPrivate() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mounts private: %w", err)
	}
	return nil
}

// mountProc comes after the change of root. It shows the processes of the PID namespace of the one that mounts it. proc(5)
func mountProc() error {
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount proc on /proc of the root file system: %w", err)
	}
	return nil
}
