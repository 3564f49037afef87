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
	// isolated is the first argument of the process that becomes process 1 of new namespaces.
	isolated = "isolated"
	// statusIsolation is the exit status of that process if it cannot start the program. The suite's programs exit with 0, 1 or 2.
	statusIsolation = 125
	// path is where the programs find tar, unshare and sleep.
	path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	// bundles is where the programs make bundles. Other users must reach it, because some containers have user namespaces.
	bundles = "/run/bundles"
)

func init() {
	// Each thread has its own cgroup namespace, so the thread that makes the namespace must also start the program.
	if len(os.Args) > 1 && os.Args[1] == isolated {
		runtime.LockOSThread()
	}
}

// inside is process 1 of a program's namespaces. It mounts file systems for the program, starts the program, and ends with it.
func inside(arguments []string) {
	status, err := isolate(arguments)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%v\n", err)
		os.Exit(statusIsolation)
	}
	os.Exit(status)
}

func isolate(arguments []string) (int, error) {
	// Outside of new namespaces, the code below would take /dev and /run away from the host.
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
	// The cgroups that we have joined become the roots that the namespace shows, and programs make cgroups below: cgroup_namespaces(7).
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

// devices are the devices that a runtime gives to containers. A runtime that may not make devices binds these.
var devices = map[string][2]uint32{
	"null": {1, 3}, "zero": {1, 5}, "full": {1, 7}, "random": {1, 8}, "urandom": {1, 9}, "tty": {5, 0}, "console": {5, 1},
}

var links = map[string]string{
	"/dev/ptmx": "pts/ptmx", "/dev/fd": "/proc/self/fd",
	"/dev/stdin": "/proc/self/fd/0", "/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2",
}

// mountAll mounts a new file system over everything that the programs change.
func mountAll(groups []group) error {
	// This comes first: from now on, no mount here reaches the host (mount_namespaces(7)).
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	// Unmount the host's cgroups instead of covering them: runtimes search mountinfo for cgroups, and take the first that they find.
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

// runAndReap starts the program and returns its exit status. Containers outlive their parent, create, so they are reaped here.
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
