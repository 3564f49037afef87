//go:build linux && engines

package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A session is where the tests and the engines run. It has its own processes, mounts, cgroups and network. Everything that they write
// is in memory, so nothing stays on the host, whatever happens.
const (
	// roleVariable tells a test binary which of the three processes of a session it is: empty (outside), first, or tests.
	roleVariable = "ENGINE_ROLE"
	// cgroupVariable has the name of the cgroup that becomes the session's root.
	cgroupVariable = "ENGINE_CGROUP"
	// pageVariable lists pages, separated by colons, which the tests may write although all files of the host are read-only. See page.
	pageVariable = "ENGINE_PAGE"
	// state is the folder for everything that the tests and the engines write.
	state = "/run/engine"
	// pageDescriptor is the descriptor of the first page in the process of the tests. In the first process of the session, descriptor 3
	// is a pipe, so the pages begin one later.
	pageDescriptor = 3
)

// TestMain makes a session and runs the tests there.
func TestMain(m *testing.M) {
	var status int
	var err error
	switch os.Getenv(roleVariable) {
	case "":
		status, err = outside()
	case "first":
		status, err = first()
	case effectiveRole:
		printEffectiveUser()
	default:
		pages = inheritPages(pageDescriptor)
		status = m.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "engine:", err)
		status = 1
	}
	os.Exit(status)
}

// outside runs on the host. It starts the first process of the session, and removes the session's cgroups at the end.
func outside() (int, error) {
	if os.Getuid() != 0 {
		return 0, errors.New("engines need root: run the tests by sudo")
	}
	if path := os.Getenv("RUNTIME"); !filepath.IsAbs(path) {
		return 0, fmt.Errorf("RUNTIME=%q: name the runtime by an absolute path", path)
	}
	name, err := makeCgroups()
	defer removeCgroups(name)
	if err != nil {
		return 0, err
	}
	ending, ended, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	// The kernel sends the parent-death signal when the thread that started the process ends.
	runtime.LockOSThread()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), roleVariable+"=first", cgroupVariable+"="+name)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{ended}
	for _, path := range filepath.SplitList(os.Getenv(pageVariable)) {
		page, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return 0, err
		}
		defer page.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, page)
	}
	cmd.SysProcAttr = &unix.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
		Pdeathsig:  unix.SIGKILL,
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ended.Close()
	go func() {
		<-signals
		_ = cmd.Process.Kill()
	}()
	gone := make(chan struct{})
	go func() {
		// The pipe closes when the first process begins to end. That process ends only after all frozen processes have ended.
		_, _ = ending.Read(make([]byte, 1))
		for {
			thaw(name)
			select {
			case <-gone:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	_ = cmd.Wait()
	close(gone)
	return cmd.ProcessState.ExitCode(), nil
}

// first is process 1 of the session. It starts the tests, and waits for every process that loses its parent.
func first() (int, error) {
	// Only this thread and its children get the cgroup namespace.
	runtime.LockOSThread()
	unix.CloseOnExec(3)
	inherited := inheritPages(pageDescriptor + 1)
	if err := enterSession(os.Getenv(cgroupVariable)); err != nil {
		return 0, err
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	// The directory of a login, XDG_RUNTIME_DIR, is not in the session's /run.
	cmd.Env = append(os.Environ(), roleVariable+"=tests", "TMPDIR="+state+"/tmp", "HOME="+state+"/home", "XDG_RUNTIME_DIR=")
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = os.Stdin, os.Stdout, os.Stderr, inherited
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, err
		case pid == cmd.Process.Pid && status.Signaled():
			return 128 + int(status.Signal()), nil
		case pid == cmd.Process.Pid:
			return status.ExitStatus(), nil
		}
	}
}

// enterSession makes the session around the caller.
func enterSession(cgroup string) error {
	// Look for the host's cgroups now: after the change of root they are out of sight.
	hierarchies, err := findHierarchies()
	if err != nil {
		return err
	}
	if err := joinCgroups(hierarchies, cgroup); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make / private: %w", err)
	}
	for _, m := range []struct{ kind, target, data string }{
		{"proc", "/proc", ""},
		{"tmpfs", "/run", "mode=755"},
		{"tmpfs", "/dev/shm", "mode=1777"},
		{"sysfs", "/sys", ""},
	} {
		// Unmount before mounting: mountinfo would list covered mounts, and the host's cgroups among them. The host keeps its mounts.
		for unix.Unmount(m.target, unix.MNT_DETACH) == nil {
		}
		if err := unix.Mount(m.kind, m.target, m.kind, 0, m.data); err != nil {
			return fmt.Errorf("mount %s at %s: %w", m.kind, m.target, err)
		}
	}
	if err := mountCgroups(hierarchies); err != nil {
		return err
	}
	if err := keepHostClean(); err != nil {
		return err
	}
	// systemd also makes all mounts shared.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("make / shared: %w", err)
	}
	return loopbackUp()
}

// keepHostClean makes the host's files read-only, and puts overlays over the folders that engines write to.
func keepHostClean() error {
	for _, dir := range []string{"tmp", "home"} {
		if err := os.MkdirAll(filepath.Join(state, dir), 0o755); err != nil {
			return err
		}
	}
	for _, dir := range []string{"/etc", "/var", "/opt", "/root", "/tmp"} {
		info, err := os.Stat(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		upper, work := filepath.Join("/run/overlay", dir, "upper"), filepath.Join("/run/overlay", dir, "work")
		// The root of an overlay has the mode of its upper folder, so give that the host's mode: anybody may write to /tmp.
		if err := errors.Join(os.MkdirAll(upper, 0o755), os.MkdirAll(work, 0o755), os.Chmod(upper, info.Mode())); err != nil {
			return err
		}
		data := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", dir, upper, work)
		if err := unix.Mount("overlay", dir, "overlay", 0, data); err != nil {
			return fmt.Errorf("mount a copy of %s: %w", dir, err)
		}
	}
	if err := unix.Mount("", "/", "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("make / read-only: %w", err)
	}
	return nil
}

// loopbackUp turns on lo, which is down in a new network namespace.
func loopbackUp() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("bring up lo: %w", err)
	}
	return nil
}

// runtimePath is the path of the runtime to test.
func runtimePath() string { return os.Getenv("RUNTIME") }

// runtimeName is the name by which an engine calls the runtime.
func runtimeName() string { return filepath.Base(runtimePath()) }
