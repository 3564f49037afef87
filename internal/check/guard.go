//go:build linux

package check

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// guarded is the name, in argv[0], of the process that Guard starts.
const guarded = "check-guarded"

// Guarded reports whether Guard has started this process.
func Guarded() bool { return os.Args[0] == guarded && os.Getpid() == 1 }

const exitCancelled = 3

// Guard starts this executable again, as process 1 of a new PID namespace, and returns its exit status. When process 1 ends, the
// kernel kills all processes of the namespace. So no process of an examined program outlives the examination, and none can kill a
// process of the host. pid_namespaces(7)
//
// A signal cancels the examination. If attended is true, so does the end of standard input: a coach that runs check with sudo cannot
// send a signal, because sudo runs as root.
func Guard(attended bool) (status int, err error) {
	cancel := make(chan os.Signal, 1)
	for _, sig := range []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP} {
		if !signal.Ignored(sig) {
			signal.Notify(cancel, sig)
		}
	}
	if attended {
		go func() {
			io.Copy(io.Discard, os.Stdin)
			cancel <- unix.SIGHUP
		}()
	}
	// The examined programs run with a group ID of their own, and the kernel gives it to each cgroup that they create. So we can tell
	// those cgroups from all others.
	group := 1<<30 + rand.Uint32N(1<<30)
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = guarded
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &unix.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS,
		Credential: &syscall.Credential{Gid: group, NoSetGroups: true},
		Pdeathsig:  unix.SIGKILL,
	}
	// The kernel sends the parent-death signal when the thread that started the process ends, so keep this thread. prctl(2)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return 0, unprotected(err)
	}
	defer removeCgroups(group)
	ended := make(chan error)
	go func() { ended <- cmd.Wait() }()
	select {
	case err = <-ended:
	case <-cancel:
		cmd.Process.Kill()
		<-ended
		return exitCancelled, nil
	}
	if status := cmd.ProcessState.ExitCode(); status >= 0 {
		return status, nil
	}
	return 0, fmt.Errorf("the examination has ended early: %w", err)
}

// Settle prepares the process that Guard has started for an examination.
func Settle() error {
	// From our own PID namespace, only signals that we catch reach us, because we are process 1. Programs would inherit the signals
	// that we ignore, for example after nohup, and they do not inherit a handler. signal(7)
	signal.Notify(make(chan os.Signal, 1))
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return unprotected(err)
	}
	// The /proc of the host leads to all its processes. Mount the /proc of our PID namespace instead.
	for unix.Unmount("/proc", unix.MNT_DETACH) == nil {
		// Several may be mounted one over another.
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return unprotected(fmt.Errorf("mount /proc: %w", err))
	}
	return nil
}

// unprotected says why nothing is examined.
func unprotected(err error) error {
	return fmt.Errorf("cannot protect the host from your program: %w (what to do about it: make doctor)", err)
}
