//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

const (
	// isolated is the first argument of the process that becomes process 1 of the namespaces.
	isolated = "isolated"
	// statusIsolation is its status if it never started the program. Programs of the suite exit with 0, 1 or 2.
	statusIsolation = 125
	// path is where the programs look for tar, unshare and sleep.
	path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	// bundles is where they make bundles. Another user has to reach them: some containers have user namespaces.
	bundles = "/run/bundles"
)

func init() {
	// A thread has its own cgroup namespace. What starts the program must be the thread that made it.
	if len(os.Args) > 1 && os.Args[1] == isolated {
		runtime.LockOSThread()
	}
}

// inside is process 1 of a program's namespaces. It gives the program a place of its own, starts it, and ends when it ends.
func inside(arguments []string) {
	status, err := isolate(arguments)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%v\n", err)
		os.Exit(statusIsolation)
	}
	os.Exit(status)
}

func isolate(arguments []string) (int, error) {
	// Anywhere else, what follows would take /dev and /run from the host.
	if os.Getpid() != 1 || len(arguments) != 2 {
		return 0, errors.New("this is for process 1 of new namespaces")
	}
	var groups []group
	if err := json.Unmarshal([]byte(arguments[0]), &groups); err != nil {
		return 0, err
	}
	if err := joinGroups(groups); err != nil {
		return 0, err
	}
	// What is joined is the root that the namespace shows, and the programs make their cgroups below it: cgroup_namespaces(7).
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return 0, fmt.Errorf("unshare the cgroup namespace: %w", err)
	}
	if err := mountAll(groups); err != nil {
		return 0, err
	}
	return runAndReap(arguments[1])
}

// A place is a file system that the program does not share with the host.
type place struct {
	kind, target, options string
	flags                 uintptr
}

var places = []place{
	{"proc", "/proc", "", unix.MS_NOSUID | unix.MS_NOEXEC | unix.MS_NODEV},
	{"sysfs", "/sys", "", unix.MS_NOSUID | unix.MS_NOEXEC | unix.MS_NODEV},
	{"tmpfs", "/sys/fs/cgroup", "mode=755", unix.MS_NOSUID | unix.MS_NOEXEC | unix.MS_NODEV},
	{"tmpfs", "/run", "mode=755", unix.MS_NOSUID},
	{"tmpfs", bundles, "mode=755", 0},
	{"tmpfs", "/dev", "mode=755", unix.MS_NOSUID},
	{"devpts", "/dev/pts", "newinstance,ptmxmode=0666,mode=620,gid=5", unix.MS_NOSUID | unix.MS_NOEXEC},
	{"tmpfs", "/dev/shm", "mode=1777", unix.MS_NOSUID | unix.MS_NODEV},
}

// devices are those that a runtime gives to containers. Where it may not make them it binds the host's.
var devices = map[string][2]uint32{
	"null": {1, 3}, "zero": {1, 5}, "full": {1, 7}, "random": {1, 8}, "urandom": {1, 9}, "tty": {5, 0}, "console": {5, 1},
}

var links = map[string]string{
	"/dev/ptmx": "pts/ptmx", "/dev/fd": "/proc/self/fd",
	"/dev/stdin": "/proc/self/fd/0", "/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2",
}

// mountAll covers what the programs change.
func mountAll(groups []group) error {
	// First of all: nothing that happens here reaches the host's mounts (mount_namespaces(7)).
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	// The host's cgroups are gone from here, not only covered: runtimes look for them in mountinfo, and take the first.
	if err := unix.Unmount("/sys", unix.MNT_DETACH); err != nil && err != unix.EINVAL {
		return fmt.Errorf("detach /sys: %w", err)
	}
	unix.Umask(0)
	for _, p := range places {
		if err := os.MkdirAll(p.target, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(p.kind, p.target, p.kind, p.flags, p.options); err != nil {
			return fmt.Errorf("mount %s on %s: %w", p.kind, p.target, err)
		}
	}
	for name, number := range devices {
		file := filepath.Join("/dev", name)
		if err := unix.Mknod(file, unix.S_IFCHR|0o666, int(unix.Mkdev(number[0], number[1]))); err != nil {
			return fmt.Errorf("mknod %s: %w", file, err)
		}
	}
	for file, target := range links {
		if err := os.Symlink(target, file); err != nil {
			return err
		}
	}
	unix.Umask(0o022)
	return mountGroups(groups)
}

// runAndReap starts the program and returns its status. Containers lose their parent, which is create: they are reaped here.
func runAndReap(program string) (int, error) {
	process, err := os.StartProcess(program, []string{program}, &os.ProcAttr{
		Env: os.Environ(), Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}})
	if err != nil {
		return 0, err
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, fmt.Errorf("wait for %s: %w", program, err)
		case pid == process.Pid && status.Signaled():
			return 0, fmt.Errorf("%s: %v", program, status.Signal())
		case pid == process.Pid:
			return status.ExitStatus(), nil
		}
	}
}
